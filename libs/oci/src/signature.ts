import { MEDIA } from '@margo-trust/margo';
import { sha256Hex, type Descriptor } from './descriptor.ts';
import { OciFault } from './fault.ts';
import type { Manifest } from './manifest.ts';
import { EMPTY_JSON, encodeReferrer, writeArtifact, type EncodedArtifact } from './referrer.ts';
import type { OciSource, OciTarget } from './source.ts';

export type EnvelopeType = typeof MEDIA.cose | typeof MEDIA.jose;

export interface SignatureToStore {
  readonly subject: Descriptor;
  readonly envelope: Uint8Array;
  /** Default `application/cose`. */
  readonly envelopeType?: EnvelopeType;
  /** Certificates of the envelope as DER, leaf to root. */
  readonly chain: readonly Uint8Array[];
}

/**
 * The OCI manifest of a Notary Project signature (Notary Project v1.1.0, signature-specification.md, *Storage*).
 *
 * The signature type stands both as `config.mediaType`, which is all that `notation` looks at, and as `artifactType`,
 * which is what registries list it by. With the OCI empty config `notation` finds no signature at all.
 */
export function encodeSignatureManifest({ subject, envelope, envelopeType, chain }: SignatureToStore): EncodedArtifact {
  if (chain.length === 0) throw new Error('A signature has at least one certificate.');
  return encodeReferrer({
    subject,
    artifactType: MEDIA.notarySignature,
    config: { mediaType: MEDIA.notarySignature, data: EMPTY_JSON },
    layers: [{ mediaType: envelopeType ?? MEDIA.cose, data: envelope }],
    annotations: { [THUMBPRINTS]: JSON.stringify(chain.map(sha256Hex)) },
  });
}

export async function attachSignature(target: OciTarget, signature: SignatureToStore): Promise<Descriptor> {
  return writeArtifact(target, encodeSignatureManifest(signature));
}

export interface SignatureManifest {
  readonly subject: Descriptor;
  readonly envelope: Descriptor;
  readonly envelopeType: EnvelopeType;
  /** SHA-256 of the certificates, leaf to root, in hex: a hint that proves nothing. Empty where it is missing. */
  readonly thumbprints: readonly string[];
}

/**
 * What a signature's manifest points to: the shape above, `notation`'s own (no `artifactType`), SUP-03's (a config of
 * size 0), and one with only the `artifactType`. Anything else is `oci/not-a-signature`.
 */
export function parseSignatureManifest(manifest: Manifest): SignatureManifest {
  if (manifest.kind !== 'manifest' || !manifest.subject) throw notASignature('it has no subject');
  if (manifest.config.mediaType !== MEDIA.notarySignature && manifest.artifactType !== MEDIA.notarySignature) {
    throw notASignature('it is of another type');
  }
  const [envelope, ...others] = manifest.layers;
  if (!envelope || others.length > 0) throw notASignature('it must have one layer');
  const envelopeType = ENVELOPES.find((type) => type === envelope.mediaType);
  if (!envelopeType) throw notASignature('its envelope is neither COSE nor JWS');
  return {
    subject: manifest.subject,
    envelope,
    envelopeType,
    thumbprints: readThumbprints(manifest.annotations[THUMBPRINTS]),
  };
}

/** One referrer that calls itself a signature: its envelope, or why it cannot be used. */
export type FoundSignature =
  | {
      readonly descriptor: Descriptor;
      readonly envelopeType: EnvelopeType;
      readonly envelope: Uint8Array;
      readonly thumbprints: readonly string[];
    }
  | { readonly descriptor: Descriptor; readonly fault: OciFault };

/**
 * The signatures stored for an artifact, one by one, so that a verifier can stop at the first good one. Nothing about
 * them is verified yet; anyone who may push may have added them, and a broken one must not hide the others.
 *
 * At most `maxSignatures` (default 1,000), envelopes of at most `maxBytes` (default 1 MiB). Where the place itself does
 * not answer, the fault is thrown: that is not the same as unsigned.
 */
export async function* findSignatures(
  source: OciSource,
  subject: Pick<Descriptor, 'digest'>,
  { maxSignatures = 1000, maxBytes = 1_048_576 }: { readonly maxSignatures?: number; readonly maxBytes?: number } = {},
): AsyncGenerator<FoundSignature> {
  const listed = await source.referrers(subject.digest, MEDIA.notarySignature);
  for (const descriptor of listed.slice(0, maxSignatures)) {
    try {
      const {
        envelope,
        envelopeType,
        thumbprints,
        subject: about,
      } = parseSignatureManifest(await source.loadManifest(descriptor));
      if (about.digest !== subject.digest) throw notASignature('it is about another artifact');
      yield { descriptor, envelopeType, envelope: await source.loadBlob(envelope, maxBytes), thumbprints };
    } catch (fault) {
      if (!(fault instanceof OciFault) || OUTAGES.has(fault.code)) throw fault;
      yield { descriptor, fault };
    }
  }
}

function readThumbprints(annotation: string | undefined): string[] {
  const parts = /^\[("[0-9a-f]{64}"(?:,"[0-9a-f]{64}")*)\]$/.exec(annotation ?? '')?.[1];
  return parts?.split(',').map((quoted) => quoted.slice(1, -1)) ?? [];
}

function notASignature(reason: string): OciFault {
  return new OciFault('oci/not-a-signature', `The referrer is not a signature that can be read: ${reason}.`);
}

const THUMBPRINTS = 'io.cncf.notary.x509chain.thumbprint#S256';
const ENVELOPES: readonly EnvelopeType[] = [MEDIA.cose, MEDIA.jose];
const OUTAGES: ReadonlySet<string> = new Set([
  'oci/unreachable',
  'oci/unauthorized',
  'oci/busy',
  'oci/bad-credentials',
]);
