import { parseHex } from '@margo-trust/bytes';
import { certificateSignatureAlgorithm, encodeSignatureAlgorithm } from './algorithm.ts';
import { CRL_REASONS } from './crl.ts';
import { derGeneralizedTime, derTime } from './der/time.ts';
import { TAG } from './der/tag.ts';
import { derConstructed, derEnumerated, derExplicit, derInteger, derSequence } from './der/write.ts';
import { authorityKeyIdentifier, issuingDistributionPoint } from './encode-extension.ts';
import { encodeExtensions } from './extension.ts';
import { X509Fault, type CrlReason } from './fault.ts';
import type { Certificate, CrlEntry, Extension } from './model.ts';
import { OID } from './oid.ts';

export interface CrlSpec {
  /** The CA's certificate: gives the name, the key identifier and the signature algorithm. */
  readonly issuer: Certificate;
  /** Larger than that of every CRL before it with the same scope (RFC 5280 §5.2.3). */
  readonly number: bigint;
  /** Times are whole seconds. */
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly entries: Iterable<CrlEntry & { readonly serialHex: string }>;
  readonly scope: CrlScope;
}

/**
 * What the CRL speaks about. Leaves are in shards, named by the URL exactly as in the certificates. The CRL of a root has no
 * URL: it is the only one, and OpenSSL also looks the root itself up in it, which has no distribution point to match.
 */
export type CrlScope = { readonly holds: 'leaves'; readonly url: string } | { readonly holds: 'cas' };

/**
 * TBSCertList (RFC 5280 §5.1.2), version 2, to be signed with `certificateSignatureAlgorithm(issuer.publicKey)`.
 *
 * Takes time and memory in proportion to the number of entries. An entry without a reason, or with `unspecified`, carries
 * no extensions at all (§5.3.1).
 */
export function encodeTbsCrl(spec: CrlSpec): Uint8Array {
  if (spec.nextUpdate <= spec.thisUpdate) throw invalid('The CRL is never current.');
  if (spec.number < 0n || spec.number >= 1n << 159n) throw invalid('The CRL number is out of range.');
  const entries = encodeEntries(spec.entries);
  return derSequence(
    derInteger(1),
    encodeSignatureAlgorithm(certificateSignatureAlgorithm(spec.issuer.publicKey)),
    spec.issuer.subject.der,
    derTime(spec.thisUpdate),
    derTime(spec.nextUpdate),
    // RFC 5280 §5.1.2.6: absent rather than empty.
    ...(entries.length > 0 ? [derConstructed(TAG.sequence, entries)] : []),
    derExplicit(0, encodeExtensions(extensionsOf(spec))),
  );
}

function extensionsOf({ issuer, number, scope }: CrlSpec): Extension[] {
  return [
    authorityKeyIdentifier(issuer),
    { oid: OID.crlNumber, critical: false, value: derInteger(number) },
    issuingDistributionPoint(scope.holds === 'leaves' ? scope.url : undefined),
  ];
}

function encodeEntries(entries: CrlSpec['entries']): Uint8Array[] {
  const seen = new Set<string>();
  // Whole batches are revoked at once.
  const times = new Map<number, Uint8Array>();
  const timeOf = (time: Date): Uint8Array => {
    const known = times.get(time.getTime());
    if (known) return known;
    if (times.size >= 1000) times.clear();
    const der = derTime(time);
    times.set(time.getTime(), der);
    return der;
  };
  const encoded: Uint8Array[] = [];
  for (const entry of entries) {
    if (!/^(?:[0-9a-f]{2}){1,20}$/.test(entry.serialHex)) throw invalid('A serial number is not lower-case hex.');
    if (seen.has(entry.serialHex)) throw invalid('A serial number is listed twice.');
    seen.add(entry.serialHex);
    encoded.push(
      derSequence(derInteger(parseHex(entry.serialHex)), timeOf(entry.revokedAt), ...entryExtensions(entry)),
    );
  }
  return encoded;
}

/** The Extensions of an entry, if it has any (RFC 5280 §5.3). */
function entryExtensions({ reason, invalidityDate }: CrlEntry): Uint8Array[] {
  const isReasonGiven = reason !== undefined && reason !== 'unspecified';
  if (!invalidityDate) return isReasonGiven ? [REASON_ALONE[reason]] : [];
  const dated = { oid: OID.invalidityDate, critical: false, value: derGeneralizedTime(invalidityDate) };
  return [encodeExtensions([...(isReasonGiven ? [reasonExtension(reason)] : []), dated])];
}

function reasonExtension(reason: CrlReason): Extension {
  return { oid: OID.reasonCode, critical: false, value: derEnumerated(CRL_REASONS.indexOf(reason)) };
}

/** Most entries end in one of these: made once. */
const REASON_ALONE = Object.fromEntries(
  CRL_REASONS.flatMap((reason) => (reason ? [[reason, encodeExtensions([reasonExtension(reason)])]] : [])),
) as Record<CrlReason, Uint8Array>;

function invalid(message: string): X509Fault {
  return new X509Fault('x509/invalid-spec', message);
}
