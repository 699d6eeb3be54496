import { encodeBase64, encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { factsOfRelease, isDigest } from '@margo-trust/statement';
import { openTufSnapshot, type TufFileSet, type TufSnapshot } from '@margo-trust/tuf';
import { VerifyFault } from './fault.ts';
import { JsonReader } from './json.ts';
import { parseTrustRoot } from './trust-root.ts';
import { adviceFor, type Check, type Verdict } from './verdict.ts';
import { step, Verifier } from './verifier.ts';
import type { WitnessOptions } from './witnesses.ts';

/** Media type of an evidence bundle, and value of its `mediaType` member. */
export const EVIDENCE_BUNDLE = 'application/vnd.margo.trust.evidence.v1+json';

const MAX_BUNDLE_BYTES = 64 << 20;

/** One artifact of the application, with the signatures that travel with it. */
export interface BundledArtifact {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  /** The OCI manifest, byte for byte. */
  readonly manifest: Uint8Array;
  /** Transparent statements. */
  readonly signatures: readonly Uint8Array[];
}

/** Everything that decides about one application, in one file. */
export interface EvidenceBundle {
  /** TUF metadata and targets; the initial root is not among them, it comes from whoever verifies. */
  readonly trustRoot: Omit<TufFileSet, 'initialRoot'>;
  /** Transparent statement of the release. */
  readonly release: Uint8Array;
  readonly artifacts: readonly BundledArtifact[];
  /** That witnesses have seen the entries of these statements: C2SP tlog-proofs with cosigned checkpoints, in any order. */
  readonly proofs?: readonly Uint8Array[];
}

/** The file: JSON with base64 members, in fixed order. */
export function encodeEvidenceBundle({ trustRoot, release, artifacts, proofs = [] }: EvidenceBundle): Uint8Array {
  const files = Object.fromEntries(Object.entries(trustRoot.files).map(([name, bytes]) => [name, encodeBase64(bytes)]));
  const delegated = Object.fromEntries(
    Object.entries(trustRoot.delegated).map(([name, bytes]) => [name, encodeBase64(bytes)]),
  );
  return encodeUtf8(
    JSON.stringify({
      mediaType: EVIDENCE_BUNDLE,
      trustRoot: {
        roots: trustRoot.roots.map(encodeBase64),
        timestamp: encodeBase64(trustRoot.timestamp),
        snapshot: encodeBase64(trustRoot.snapshot),
        targets: encodeBase64(trustRoot.targets),
        delegated,
        files,
      },
      release: encodeBase64(release),
      artifacts: artifacts.map((artifact) => ({
        mediaType: artifact.mediaType,
        digest: artifact.digest,
        size: artifact.size,
        manifest: encodeBase64(artifact.manifest),
        signatures: artifact.signatures.map(encodeBase64),
      })),
      ...(proofs.length > 0 && { proofs: proofs.map(encodeBase64) }),
    }),
  );
}

/** Reads a bundle's shape; nothing in it is trusted yet. */
export function parseEvidenceBundle(bytes: Uint8Array): EvidenceBundle {
  const json = JsonReader.parse(
    bytes,
    'bundle',
    { maxBytes: MAX_BUNDLE_BYTES },
    (message) => new VerifyFault('verify/bad-bundle', message),
  );
  json.get('mediaType').oneOf(EVIDENCE_BUNDLE);
  const trustRoot = json.get('trustRoot');
  const table = (reader: JsonReader, max: number) =>
    Object.fromEntries(reader.entries(max).map(([name, item]) => [name, item.bytes()]));
  const proofs = json.get('proofs').optional((list) => list.list(8192).map((proof) => proof.bytes(256 << 10)));
  return {
    trustRoot: {
      roots: trustRoot
        .get('roots')
        .list(1024)
        .map((root) => root.bytes(1 << 20)),
      timestamp: trustRoot.get('timestamp').bytes(),
      snapshot: trustRoot.get('snapshot').bytes(),
      targets: trustRoot.get('targets').bytes(),
      delegated: table(trustRoot.get('delegated'), 16),
      files: table(trustRoot.get('files'), 4096),
    },
    release: json.get('release').bytes(1 << 20),
    artifacts: json
      .get('artifacts')
      .list(4096)
      .map((artifact) => ({
        mediaType: artifact.get('mediaType').text(255),
        digest: readDigest(artifact.get('digest')),
        size: artifact.get('size').count(),
        manifest: artifact.get('manifest').bytes(4 << 20),
        signatures: artifact
          .get('signatures')
          .list(100)
          .map((signature) => signature.bytes(1 << 20)),
      })),
    ...(proofs && { proofs }),
  };
}

/** How a bundle is to be judged. */
export interface BundleQuestion extends WitnessOptions {
  readonly initialRoot: Uint8Array;
  readonly now: Date;
  readonly artifact?: string;
}

/**
 * Decides about an application from one file, one initial TUF root and nothing else: the trust root is followed from
 * `initialRoot` through the bundle's metadata, the release statement is judged under it, and every artifact in the
 * bundle must be what its digest says, be pinned by the release, and carry a good signature.
 *
 * `now` only decides what is reported as stale; no clock decides acceptance. `artifact` names the digest that the
 * caller is about to use: it must be pinned by the release.
 */
export function verifyEvidenceBundle(
  bytes: Uint8Array,
  { initialRoot, now, artifact, ...options }: BundleQuestion,
): Verdict {
  const checks: Check[] = [];
  let bundle: EvidenceBundle;
  let verifier: Verifier;
  try {
    const opened = step(checks, 'trust root', () => {
      const parsed = parseEvidenceBundle(bytes);
      const snapshot = openTufSnapshot({ ...parsed.trustRoot, initialRoot }, { now, expired: 'report' });
      const trust = parseTrustRoot(snapshot);
      return { parsed, trust, detail: describe(snapshot, trust.registry) };
    });
    bundle = opened.parsed;
    verifier = new Verifier(opened.trust, options);
    for (const proof of bundle.proofs ?? []) verifier.addProof(proof);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { trusted: false, code: error.code, reason: error.message, advice: adviceFor(error.code), checks };
  }
  return verifier.judge((made) => {
    made.push(...checks);
    const judged = verifier.judgeRelease(bundle.release, made);
    step(made, 'release', () => {
      const pinned = new Set(factsOfRelease(judged.release).digests);
      if (artifact !== undefined && !pinned.has(artifact)) {
        throw new VerifyFault('verify/not-in-release', `The release does not contain ${artifact}.`);
      }
      for (const item of bundle.artifacts) verifyBundled(item, pinned, verifier);
      return { detail: `${pinned.size} digests pinned, ${bundle.artifacts.length} signed artifacts checked.` };
    });
    return judged;
  });
}

function verifyBundled(artifact: BundledArtifact, pinned: ReadonlySet<string>, verifier: Verifier): void {
  const digest = `sha256:${encodeHex(sha256(artifact.manifest))}`;
  if (digest !== artifact.digest || artifact.manifest.length !== artifact.size) {
    throw new VerifyFault(
      'verify/manifest-mismatch',
      `The manifest of ${artifact.digest} is not the one that was signed.`,
    );
  }
  if (!pinned.has(artifact.digest)) {
    throw new VerifyFault('verify/not-in-release', `The release does not contain ${artifact.digest}.`);
  }
  const verdict = verifier.verifyArtifact(artifact, artifact.signatures);
  if (!verdict.trusted) throw new RefusedArtifact(verdict.code, `${artifact.digest}: ${verdict.reason}`);
}

/** The refusal of one artifact becomes the refusal of the bundle, under its own code. */
class RefusedArtifact extends Fault {}

function describe({ versions }: TufSnapshot, registry: string): string {
  return `${registry}: root ${versions['root'] ?? '?'}, targets ${versions['targets'] ?? '?'}, timestamp ${versions['timestamp'] ?? '?'}.`;
}

function readDigest(json: JsonReader): string {
  const digest = json.text(80);
  if (!isDigest(digest)) throw json.refuse('must be sha256:<64 hex>');
  return digest;
}
