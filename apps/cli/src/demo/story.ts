import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  artifactFinder,
  collectEvidence,
  proofFinder,
  type ProofFinder,
  download,
  encodeCertificateRequest,
  loadApplication,
  makePrivateKey,
  openIdentity,
  openPrivateKey,
  RegistryApi,
  RegistryFault,
  signApplication,
  updateTrustRoot,
  type SigningIdentity,
} from '@margo-trust/client';
import { Fault } from '@margo-trust/fault';
import { OciLayout } from '@margo-trust/oci';
import type { TufSnapshot } from '@margo-trust/tuf';
import { encodeEvidenceBundle, parseTrustRoot, verifyEvidenceBundle, type Verdict } from '@margo-trust/verifier';
import type { Vendor, VendorApplication } from '@margo-trust/wire';
import { CliFault } from '../fault.ts';
import { replaceSecret, writeOutput } from '../files.ts';
import { signInAs } from '../session.ts';
import { AGENT } from '../version.ts';
import { DEMO_APPLICATIONS, loadDemoFiles } from './load.ts';
import { writeNotationConfig } from './notation.ts';
import { packApplication, type PackedApplication } from './pack.ts';

export interface Story {
  /** A registry for development, where anybody may sign in as its demonstration accounts. */
  readonly registryUrl: string;
  readonly directory: string;
  now(): Date;
  /** Called with each step, one plain line. */
  tell(line: string): void;
}

export interface StoryEnd {
  readonly vendor: Vendor;
  readonly applications: readonly { readonly id: string; readonly version: string; readonly entryId: string }[];
  /** On the evidence bundle that was written, by the initial root that was written. */
  readonly verdict: Verdict;
}

/** Claims fit the example applications: both come from the same example registry. */
const APPLICATION: VendorApplication = {
  legalName: 'Example Applications GmbH',
  country: 'DE',
  state: 'Hessen',
  personas: ['workload-supplier'],
  securityContact: 'mailto:psirt@example.com',
  claims: {
    applicationIdPrefixes: ['nextcloud-', 'com-go-otel-'],
    ociNamespaces: ['registry.example.com/library'],
  },
};

/**
 * Plays the whole story on the real interfaces: a vendor applies and is approved, gets a certificate, packs and signs
 * Margo's two example applications, and a machine without a network decides to trust them.
 *
 * What a story that was cut short has left is swept away first; its vendor and key go on being used.
 */
export async function playStory(story: Story): Promise<StoryEnd> {
  const { registryUrl, directory, now, tell } = story;
  const at = (name: string): string => join(directory, name);
  for (const name of ['app.oci', 'evidence.bundle', 'root.json', 'notation']) await remove(at(name));

  const vendor = await admitVendor(story);
  const identity = await obtainIdentity(story, vendor);

  const layout = await OciLayout.create(at('app.oci'));
  const context = { identity, registry: { url: registryUrl }, now, agent: AGENT };
  const packages: PackedApplication[] = [];
  const applications: { id: string; version: string; entryId: string }[] = [];
  for (const name of DEMO_APPLICATIONS) {
    const packed = await packApplication(layout, await loadDemoFiles(name));
    const { id, version, components, images } = packed;
    tell(`Packed ${id} ${version}: ${components.length + images.length} artifacts beside the package.`);
    const find = artifactFinder(layout);
    const application = await loadApplication({ package: { place: layout, descriptor: packed.package }, find });
    const { signed, releaseEntryId } = await signApplication({ application, claims: vendor.claims }, context);
    tell(`Signed and logged ${signed.length} artifacts of ${id}; its release is entry ${releaseEntryId}.`);
    packages.push(packed);
    applications.push({ id, version, entryId: releaseEntryId });
  }

  const { root, snapshot } = await awaitTrustRoot(story, vendor.id);
  await writeOutput(at('root.json'), root);
  await writeNotationConfig(at('notation'), parseTrustRoot(snapshot), vendor.subject);
  const [first] = packages;
  if (!first) throw new Error('The demonstration has no application.');
  const findProof = proofFinder(registryUrl);
  const verdicts = await Promise.all(packages.map((packed) => bundleOf(layout, packed, snapshot, findProof)));
  const [bundle = new Uint8Array()] = verdicts;
  for (const [index, bytes] of verdicts.entries()) {
    const verdict = verifyEvidenceBundle(bytes, { initialRoot: root, now: now() });
    if (!verdict.trusted) return { vendor, applications, verdict };
    tell(`Verified ${packages[index]?.id} offline: ${verdict.checks.length} checks passed.`);
  }
  // Last: where this file is, everything is.
  await writeOutput(at('evidence.bundle'), bundle);
  return { vendor, applications, verdict: verifyEvidenceBundle(bundle, { initialRoot: root, now: now() }) };
}

/** The verdict on what an earlier story has left, if it came to its end and belongs to this registry. */
export async function findEarlierEnd({ registryUrl, directory, now }: Story): Promise<Verdict | undefined> {
  const [bundle, root] = await Promise.all(['evidence.bundle', 'root.json'].map((name) => find(join(directory, name))));
  if (!bundle || !root) return undefined;
  const served = await fetchInitialRoot(registryUrl);
  if (!root.equals(served)) return undefined;
  const verdict = verifyEvidenceBundle(bundle, { initialRoot: root, now: now() });
  return verdict.trusted ? verdict : undefined;
}

/** Finds the vendor of an earlier story or applies, and has it approved by as many as are still needed. */
async function admitVendor({ registryUrl, tell }: Story): Promise<Vendor> {
  const victor = await apiAs(registryUrl, 'victor');
  let vendor = await findOwnVendor(victor);
  if (!vendor) {
    vendor = await victor.applyAsVendor(APPLICATION);
    tell(`Victor applied for ${vendor.legalName} (${vendor.id}).`);
  }
  for (const [account, name] of [
    ['alice', 'Alice'],
    ['bob', 'Bob'],
  ] as const) {
    if (vendor.status !== 'submitted') break;
    vendor = await approve(await apiAs(registryUrl, account), vendor);
    tell(`${name} of governance approved; the vendor is ${vendor.status}.`);
  }
  if (vendor.status === 'active') return vendor;
  const message = `${vendor.legalName} is ${vendor.status}, so it can’t sign.`;
  throw new CliFault('cli/not-found', message, 'Begin with a new data directory, or reinstate the vendor.');
}

async function findOwnVendor(api: RegistryApi): Promise<Vendor | undefined> {
  for (const { organisation, role } of (await api.me()).memberships) {
    if (role !== 'owner') continue;
    const vendor = await api.loadVendor(organisation);
    if (vendor.legalName === APPLICATION.legalName) return vendor;
  }
  return undefined;
}

async function approve(api: RegistryApi, { id }: Vendor): Promise<Vendor> {
  try {
    return await api.approveVendor(id, 'Identity and claims checked.');
  } catch (error) {
    if (error instanceof RegistryFault && error.code === 'vendor/already-approved') return api.loadVendor(id);
    throw error;
  }
}

/** Key and chain of an earlier story if they still serve; otherwise new ones. */
async function obtainIdentity({ registryUrl, directory, now, tell }: Story, vendor: Vendor): Promise<SigningIdentity> {
  const [keyFile, chainFile] = [join(directory, 'vendor/key.pem'), join(directory, 'vendor/chain.pem')];
  const api = await apiAs(registryUrl, 'victor');
  const earlier = await findIdentity(keyFile, chainFile);
  if (earlier && earlier.issuer === vendor.uri && earlier.leaf.notAfter > now() && (await isValid(api, earlier))) {
    tell(`Went on with the certificate ${earlier.leaf.serialHex}.`);
    return earlier;
  }
  const key = makePrivateKey('P-256');
  const signer = openPrivateKey(key);
  const { serial, chain } = await api.requestCertificate(vendor.id, { csr: await encodeCertificateRequest(signer) });
  await replaceSecret(keyFile, key);
  await writeOutput(chainFile, chain);
  tell(`The registry issued the certificate ${serial} and logged it.`);
  return openIdentity(signer, chain);
}

async function findIdentity(keyFile: string, chainFile: string): Promise<SigningIdentity | undefined> {
  const [key, chain] = await Promise.all([find(keyFile), find(chainFile)]);
  if (!key || !chain) return undefined;
  try {
    return openIdentity(openPrivateKey(key.toString()), chain.toString());
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

async function isValid(api: RegistryApi, { leaf }: SigningIdentity): Promise<boolean> {
  try {
    return (await api.loadCertificate(leaf.serialHex)).status === 'valid';
  } catch (error) {
    if (error instanceof RegistryFault && error.status === 404) return false;
    throw error;
  }
}

/** The trust root as a device would get it, once it knows the vendor. */
async function awaitTrustRoot(story: Story, vendorId: string): Promise<{ root: Uint8Array; snapshot: TufSnapshot }> {
  const { registryUrl, directory: home, now, tell } = story;
  const root = await fetchInitialRoot(registryUrl);
  const directory = await mkdtemp(join(home, '.trust-root-'));
  try {
    for (let attempt = 0; attempt < 40; attempt++) {
      const update = { source: `${registryUrl}/tuf`, directory, now: now() };
      const { snapshot } = await updateTrustRoot({ ...update, ...(attempt === 0 && { initialRoot: root }) });
      if (parseTrustRoot(snapshot).findVendor(vendorId)?.status === 'active') {
        tell(`The trust root names the vendor (timestamp ${snapshot.timestamp.version}).`);
        return { root, snapshot };
      }
      await sleep(250);
    }
  } finally {
    await remove(directory);
  }
  const message = 'The trust root has not named the vendor within ten seconds.';
  throw new CliFault('cli/not-found', message, 'See whether the registry’s worker runs, and start again.');
}

async function bundleOf(
  layout: OciLayout,
  packed: PackedApplication,
  trustRoot: TufSnapshot,
  findProof: ProofFinder,
): Promise<Uint8Array> {
  const packageDigest = packed.package.digest;
  const find = artifactFinder(layout);
  return encodeEvidenceBundle(
    (await collectEvidence({ place: layout, packageDigest, find, trustRoot, findProof })).bundle,
  );
}

/** The demonstration trusts the registry it has just been told to use; a device must not. */
async function fetchInitialRoot(registryUrl: string): Promise<Uint8Array> {
  const root = await download(new URL(`${registryUrl}/tuf/1.root.json`), { maxBytes: 512_000, timeoutSeconds: 30 });
  if (!root) throw new CliFault('cli/not-found', `${registryUrl} has no trust root.`, 'Check the address.');
  return root;
}

async function apiAs(url: string, account: string): Promise<RegistryApi> {
  return new RegistryApi({ url, token: (await signInAs(url, account)).accessToken });
}

async function find(path: string): Promise<Buffer | undefined> {
  return readFile(path).catch(() => undefined);
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}
