/**
 * Stock `cosign sign` and `cosign verify`, with a key and certificate as the command line makes them and the two files that it
 * exports. No `--insecure-…` flag anywhere; the application registry speaks plain http, which is all that is allowed.
 */
import { createPrivateKey } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { developmentLogin } from '@margo-trust/client';
import { parseCertificate, readAssurance, readWorkload } from '@margo-trust/x509';
import { startService } from '../service.ts';
import { signWithSigstoreJs } from '../sigstore-js.ts';
import { expectAccepted, expectRefused } from './expect.ts';
import {
  client,
  must,
  repository,
  run,
  startGoRegistry,
  temporaryDirectory,
  type Finished,
  type Running,
} from './harness.ts';
import { noteSeen } from './seen.ts';

const ISSUER = 'https://registry.localhost';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

let scratch: string;
let service: { url: string; stop(): Promise<void> };
let registry: Running;
let acme: Vendor;

interface Vendor {
  readonly id: string;
  readonly uri: string;
  readonly serial: string;
  /** Directory with `acme.key` and `leaf.pem`. */
  readonly home: string;
}

beforeAll(async () => {
  scratch = await temporaryDirectory();
  service = await startService({ story: false });
  registry = await startGoRegistry();
  acme = await enrol('Acme GmbH', 'acme');
  await margoTrust(acme.home, 'root', 'init', '--trust-first-use');
  await margoTrust(acme.home, 'root', 'export', '--sigstore', join(scratch, 'sigstore'));
});

afterAll(async () => {
  await Promise.all([service?.stop(), registry?.stop()]);
  await rm(scratch, { recursive: true, force: true });
});

describe('cosign', () => {
  it('signs an artifact and verifies it', async () => {
    const reference = await push('app');
    expectAccepted(await sign(acme, reference));
    const { output } = await verify(acme, reference);
    expect(output).toContain('Existence of the claims in the transparency log was verified offline');
    expect(output).toContain('verified using trusted certificate authority certificates');
  });

  it('verifies a signature again after the log has grown', async () => {
    const [first, second] = [await push('first'), await push('second')];
    expectAccepted(await sign(acme, first));
    expectAccepted(await sign(acme, second));
    expectAccepted(await verify(acme, first));
  });

  it('finds its entry by vendor and type, and the command line shows it', async () => {
    expectAccepted(await sign(acme, await push('found')));
    const args = ['log', 'search', '--vendor', acme.id, '--type', 'rekor', '--json'];
    const { entries } = JSON.parse((await margoTrust(acme.home, ...args)).stdout) as {
      entries: { index: string; issuer: string }[];
    };
    expect(entries[0]?.issuer).toBe(acme.uri);
    expect((await margoTrust(acme.home, 'log', 'show', entries[0]!.index)).stdout).toContain('"kind": "hashedrekord"');
  });

  it.each([
    [
      'another vendor',
      { identity: 'https://01jx0000000000000000000000.vendors.registry.localhost/' },
      'no matching CertificateIdentity',
    ],
    ['another registry', { issuer: 'https://elsewhere.example' }, 'no matching CertificateIdentity'],
  ])('refuses a signature for %s', async (_, expected, reason) => {
    const reference = await push('identity');
    expectAccepted(await sign(acme, reference));
    expectRefused(await verify(acme, reference, expected), reason);
  });

  it('refuses what is not signed', async () => {
    expectRefused(await verify(acme, await push('unsigned')), 'no signatures');
  });

  it.each(['tlogs', 'ctlogs', 'timestampAuthorities', 'certificateAuthorities'])(
    'needs the %s of the exported trust root',
    async (member) => {
      const reference = await push('needs');
      expectAccepted(await sign(acme, reference));
      const whole = JSON.parse(await readFile(join(scratch, 'sigstore/trusted_root.json'), 'utf8')) as object;
      const trustedRoot = join(scratch, `without-${member}.json`);
      await writeFile(trustedRoot, JSON.stringify({ ...whole, [member]: [] }));
      expectRefused(await verify(acme, reference, { trustedRoot }), /verif|threshold/);
    },
  );

  describe('on a bundle', () => {
    interface Bundle {
      verificationMaterial: {
        tlogEntries: {
          logIndex: string;
          inclusionProof: { rootHash: string; hashes: string[]; checkpoint: { envelope: string } };
        }[];
      };
      dsseEnvelope: { signatures: { sig: string }[] };
    }
    let bundle: Bundle;
    let manifest: string;

    beforeAll(async () => {
      const reference = await push('bundle');
      expectAccepted(await sign(acme, reference));
      ({ bundle, manifest } = await fetchBundle<Bundle>(reference));
    });

    it('as it was made is accepted', async () => {
      expectAccepted(await verifyBundle(bundle, manifest));
    });

    it.each<[string, (copy: Bundle) => void, RegExp]>([
      [
        'path',
        (copy) => (proofOf(copy).hashes[0] = Buffer.alloc(32).toString('base64')),
        /does not match expected root/,
      ],
      [
        'checkpoint',
        (copy) =>
          (proofOf(copy).checkpoint.envelope = proofOf(copy).checkpoint.envelope.replace(/\n\d+\n/, '\n9999\n')),
        /invalid signature for key log\.registry\.localhost/,
      ],
      ['index', (copy) => (copy.verificationMaterial.tlogEntries[0]!.logIndex = '0'), /failed to verify log inclusion/],
      ['signature', spoilSignature, /failed to verify log inclusion/],
    ])('with another %s is refused', async (_, spoil, reason) => {
      const copy = structuredClone(bundle);
      spoil(copy);
      expectRefused(await verifyBundle(copy, manifest), reason);
    });

    it('by Sigstore for JavaScript, sent in the form of an envelope, is accepted', async () => {
      noteSeen('@sigstore/sign', 'accepted');
      const digest = /sha256:([0-9a-f]{64})/.exec(await push('from-js'))![1]!;
      const file = join(scratch, 'from-js.json');
      await writeFile(file, await fetchManifest('from-js', `sha256:${digest}`));
      const statement = {
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ name: 'from-js', digest: { sha256: digest } }],
        predicateType: 'https://sigstore.dev/cosign/sign/v1',
        predicate: {},
      };
      const made = await signWithSigstoreJs('dsse', Buffer.from(JSON.stringify(statement)), {
        registry: service.url,
        key: createPrivateKey(await readFile(join(acme.home, 'margo-key.pem'))),
        certificate: await readFile(join(acme.home, 'leaf.pem'), 'utf8'),
      });
      expectAccepted(await verifyBundle(made as Bundle, file));
    });

    function spoilSignature(copy: Bundle): void {
      const [signature] = copy.dsseEnvelope.signatures;
      const bytes = Buffer.from(signature!.sig, 'base64');
      bytes[bytes.length - 1]! ^= 1;
      signature!.sig = bytes.toString('base64');
    }

    function proofOf(copy: Bundle) {
      return copy.verificationMaterial.tlogEntries[0]!.inclusionProof;
    }
  });

  describe('is told by the log why it may not sign', () => {
    it('for a vendor that is suspended', async () => {
      const vendor = await enrol('Suspended GmbH', 'suspended');
      expectAccepted(await sign(vendor, await push('before')));
      await margoTrust(vendor.home, 'vendor', 'suspend', vendor.id, '--as', 'alice', '--reason', 'Check.');
      expectRefused(await sign(vendor, await push('after')), 'The vendor is not active');
    });

    it('with a certificate that is revoked; what it signed before goes on verifying, for cosign asks nobody', async () => {
      const vendor = await enrol('Revoked GmbH', 'revoked');
      const before = await push('revoked-before');
      expectAccepted(await sign(vendor, before));
      await margoTrust(vendor.home, 'cert', 'revoke', vendor.serial, '--as', 'victor', '--reason', 'keyCompromise');
      expectRefused(await sign(vendor, await push('revoked-after')), 'The signing certificate is revoked');
      expectAccepted(await verify(vendor, before));
    });

    it('without a certificate', async () => {
      const args = ['sign', '--key', 'acme.key', '--signing-config', signingConfig(), '--allow-http-registry', '-y'];
      expectRefused(await cosign(acme, ...args, await push('bare')), 'Send the vendor’s certificate');
    });
  });
});

/** By an identity token, without a key or certificate of its own: the registry plays Fulcio. */
describe('cosign without a key', () => {
  const issuer = () => `${service.url}/oidc`;
  let pipeline: Vendor;
  let binding: string;

  /** The embedded sign-in plays the CI: it vouches for a build that is called victor. */
  const identityToken = async () => (await developmentLogin({ baseUrl: service.url, account: 'victor' })).accessToken;

  /** In a file: cosign 3.1.3 takes a token by itself only when it is signed with RS256, and else for the name of a file. */
  async function tokenFile(token?: string): Promise<string> {
    const file = join(scratch, 'token.jwt');
    await writeFile(file, token ?? (await identityToken()));
    return file;
  }

  const signKeyless = async (reference: string, token?: string) =>
    cosign(
      pipeline,
      ...['sign', '--identity-token', await tokenFile(token), '--allow-http-registry', '-y'],
      ...[
        '--signing-config',
        signingConfig(),
        '--trusted-root',
        join(scratch, 'sigstore/trusted_root.json'),
        reference,
      ],
    );

  beforeAll(async () => {
    pipeline = await enrol('Pipeline GmbH', 'pipeline');
    const args = [
      'workload',
      'bind',
      'victor',
      '--issuer',
      issuer(),
      '--vendor',
      pipeline.id,
      '--as',
      'victor',
      '--json',
    ];
    const { stdout } = await margoTrust(pipeline.home, ...args);
    binding = (JSON.parse(stdout) as { binding: { id: string } }).binding.id;
  });

  it('signs an artifact by its token and verifies it as the vendor’s', async () => {
    const reference = await push('keyless');
    expectAccepted(await signKeyless(reference));
    const { output } = await verify(pipeline, reference);
    expect(output).toContain('Existence of the claims in the transparency log was verified offline');
    expect(output).toContain('verified using trusted certificate authority certificates');
    expectRefused(await verify(acme, reference), 'no matching CertificateIdentity');
  });

  it('signs a blob, and has a certificate that names the build', async () => {
    const [file, bundle] = [join(scratch, 'blob.txt'), join(scratch, 'blob.sigstore.json')];
    await writeFile(file, 'a blob');
    const trustedRoot = join(scratch, 'sigstore/trusted_root.json');
    expectAccepted(
      await cosign(
        pipeline,
        ...['sign-blob', '--identity-token', await tokenFile(), '-y', '--bundle', bundle],
        ...['--signing-config', signingConfig(), '--trusted-root', trustedRoot, file],
      ),
    );
    expectAccepted(await cosign(pipeline, 'verify-blob', '--bundle', bundle, ...policy(pipeline, {}), file));
    await writeFile(file, 'another blob');
    expectRefused(await cosign(pipeline, 'verify-blob', '--bundle', bundle, ...policy(pipeline, {}), file), /verif/);

    const { verificationMaterial } = JSON.parse(await readFile(bundle, 'utf8')) as {
      verificationMaterial: { certificate: { rawBytes: string } };
    };
    const leaf = parseCertificate(Buffer.from(verificationMaterial.certificate.rawBytes, 'base64'));
    expect(readAssurance(leaf)).toBe('ci');
    expect(readWorkload(leaf)).toEqual({ issuer: issuer(), subject: 'victor', facts: {} });
  });

  it('has one certificate by one token', async () => {
    const token = await identityToken();
    expectAccepted(await signKeyless(await push('once'), token));
    expectRefused(await signKeyless(await push('twice'), token), 'exchanged for another key');
  });

  it('has none by a token that is not good', async () => {
    const token = await identityToken();
    const [header, , signature] = token.split('.');
    const body = Buffer.from(JSON.stringify({ iss: issuer(), sub: 'victor', aud: service.url })).toString('base64url');
    expectRefused(
      await signKeyless(await push('forged'), [header, body, signature].join('.')),
      'The identity token is refused',
    );
  });

  it('has none once the binding has ended; what it signed before goes on verifying', async () => {
    const before = await push('keyless-before');
    expectAccepted(await signKeyless(before));
    await margoTrust(pipeline.home, 'workload', 'unbind', binding, '--vendor', pipeline.id, '--as', 'victor');
    expectRefused(await signKeyless(await push('keyless-after')), 'No vendor has bound builds');
    expectAccepted(await verify(pipeline, before));
  });
});

const signingConfig = () => join(scratch, 'sigstore/signing_config.v0.2.json');

function sign(vendor: Vendor, reference: string): Promise<Finished> {
  return cosign(
    vendor,
    ...['sign', '--key', 'acme.key', '--certificate', 'leaf.pem', '--allow-http-registry', '-y'],
    ...['--signing-config', signingConfig(), '--trusted-root', join(scratch, 'sigstore/trusted_root.json'), reference],
  );
}

interface Expected {
  identity?: string;
  issuer?: string;
  trustedRoot?: string;
}

function verify(vendor: Vendor, reference: string, expected: Expected = {}): Promise<Finished> {
  return cosign(vendor, 'verify', '--allow-http-registry', ...policy(vendor, expected), reference);
}

async function verifyBundle(bundle: object, manifest: string): Promise<Finished> {
  const file = join(scratch, 'checked.sigstore.json');
  await writeFile(file, JSON.stringify(bundle));
  const type = ['--type', 'https://sigstore.dev/cosign/sign/v1'];
  return cosign(acme, 'verify-blob-attestation', '--bundle', file, ...type, ...policy(acme, {}), manifest);
}

function policy({ uri }: Vendor, { identity = uri, issuer = ISSUER, trustedRoot }: Expected): string[] {
  return [
    ...['--trusted-root', trustedRoot ?? join(scratch, 'sigstore/trusted_root.json')],
    ...['--certificate-identity', identity, '--certificate-oidc-issuer', issuer],
  ];
}

/** At home in an empty directory, so that it finds no trust root of its own. */
function cosign({ home }: Vendor, ...args: string[]): Promise<Finished> {
  return run(client('cosign'), args, { cwd: home, env: { HOME: home, COSIGN_PASSWORD: '' } });
}

function margoTrust(home: string, ...args: string[]): Promise<Finished> {
  const env = { HOME: home, MARGO_TRUST_REGISTRY: service.url };
  return must(join(repository, 'apps/cli/bin/margo-trust.mjs'), args, { cwd: home, env });
}

/** A vendor that was admitted, with a certificate, and its key as cosign wants it. */
async function enrol(legalName: string, prefix: string): Promise<Vendor> {
  const home = await temporaryDirectory();
  const { vendor } = JSON.parse(
    (
      await margoTrust(
        home,
        ...['vendor', 'apply', '--as', 'victor', '--legal-name', legalName, '--country', 'DE', '--state', 'Hessen'],
        ...['--security-contact', 'psirt@acme.example', '--application-id-prefix', `${prefix}-`],
        ...['--oci-namespace', `registry.example.com/${prefix}`, '--json'],
      )
    ).stdout,
  ) as { vendor: { id: string; uri: string } };
  for (const member of ['alice', 'bob']) await margoTrust(home, 'vendor', 'approve', vendor.id, '--as', member);
  const issued = await margoTrust(home, 'cert', 'request', '--vendor', vendor.id, '--as', 'victor', '--json');
  const { certificate } = JSON.parse(issued.stdout) as { certificate: { serial: string; certificate: string } };
  await writeFile(join(home, 'leaf.pem'), certificate.certificate);
  const enrolled = { id: vendor.id, uri: vendor.uri, serial: certificate.serial, home };
  expectAccepted(
    await cosign(enrolled, 'import-key-pair', '--key', 'margo-key.pem', '--output-key-prefix', 'acme', '-y'),
  );
  return enrolled;
}

/** A new artifact in the application registry, by digest. */
async function push(name: string): Promise<string> {
  const file = `${name}.txt`;
  await writeFile(join(scratch, file), name);
  const target = `${registry.address}/acme/${name}`;
  await must(client('oras'), ['push', '--plain-http', `${target}:v1`, `${file}:text/plain`], { cwd: scratch });
  const { stdout } = await must(client('oras'), ['resolve', '--plain-http', `${target}:v1`]);
  return `${target}@${stdout.trim()}`;
}

/** What cosign has attached, and the bytes that it is about. */
async function fetchBundle<B>(reference: string): Promise<{ bundle: B; manifest: string }> {
  const [, name = '', digest = ''] = /\/acme\/(\w+)@(\S+)$/.exec(reference) ?? [];
  const base = `http://${registry.address}/v2/acme/${name}`;
  const json = async <T>(path: string, accept = '*/*') =>
    (await (await fetch(`${base}${path}`, { headers: { accept } })).json()) as T;
  const { manifests } = await json<{ manifests: { digest: string }[] }>(`/referrers/${digest}`);
  const { layers } = await json<{ layers: { digest: string }[] }>(`/manifests/${manifests[0]!.digest}`, MANIFEST);
  const manifest = join(scratch, `${name}.json`);
  await writeFile(manifest, await fetchManifest(name, digest));
  return { bundle: await json<B>(`/blobs/${layers[0]!.digest}`), manifest };
}

async function fetchManifest(name: string, digest: string): Promise<Buffer> {
  const url = `http://${registry.address}/v2/acme/${name}/manifests/${digest}`;
  return Buffer.from(await (await fetch(url, { headers: { accept: MANIFEST } })).arrayBuffer());
}
