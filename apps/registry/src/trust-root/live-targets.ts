import { encodeBase64 } from '@margo-trust/bytes';
import { encodeJsonPayload } from '@margo-trust/statement';
import { vendorShard } from '@margo-trust/verifier';
import type { CurrentRevocation } from '../revocation/revocation.reader.ts';
import type { PublishingVendor } from '../vendors/vendor.reader.ts';
import { wireTime } from '../wire-time.ts';

/** An admitted vendor with the transparent statement of its admission. */
export interface ProvenVendor extends PublishingVendor {
  readonly record: Uint8Array;
}

/**
 * `live.vendors.<xx>.json`, one for each first byte of SHA-256(vendor id) that occurs, and the index of them.
 * The same vendors always give the same bytes, in whatever order the database returns them.
 */
export function encodeVendorShards(vendors: readonly ProvenVendor[]): Readonly<Record<string, Uint8Array>> {
  const shards = new Map<string, ProvenVendor[]>();
  for (const vendor of [...vendors].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const name = vendorShard(vendor.id);
    shards.set(name, [...(shards.get(name) ?? []), vendor]);
  }
  const sorted = [...shards].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    'live.vendors.index.json': encodeJsonPayload({
      type: 'margo.vendors-index.v1',
      vendors: vendors.length,
      shards: sorted.map(([name, { length }]) => ({ name, vendors: length })),
    }),
    ...Object.fromEntries(
      sorted.map(([name, members]) => [
        name,
        encodeJsonPayload({ type: 'margo.vendors.v1', vendors: members.map(describeVendor) }),
      ]),
    ),
  };
}

export interface RevocationState {
  /** Number of the last decision in the list. */
  readonly sequence: bigint;
  readonly certificates: readonly CurrentRevocation[];
  /** The list is complete up to here. */
  readonly asOf: Date;
  readonly logSize: bigint;
}

/**
 * `live.revocations.v1.json`. Single keys, whole vendors and digests have lists that nothing fills yet: a suspended vendor
 * is told by its status.
 */
export function encodeRevocationList({ sequence, certificates, asOf, logSize }: RevocationState): Uint8Array {
  return encodeJsonPayload({
    type: 'margo.revocations.v1',
    sequence: Number(sequence),
    asOf: wireTime(asOf),
    logSize: Number(logSize),
    certificates: certificates.map(describeRevocation),
    keys: [],
    vendors: [],
    digests: [],
  });
}

function describeVendor({ id, uri, legalName, status, subject, claims, record }: ProvenVendor): object {
  return {
    id,
    uri,
    legalName,
    status,
    subject: { C: subject.C, ST: subject.ST, O: subject.O },
    claims: {
      applicationIdPrefixes: [...claims.applicationIdPrefixes].sort(),
      ociNamespaces: [...claims.ociNamespaces].sort(),
    },
    record: encodeBase64(record),
  };
}

function describeRevocation(revocation: CurrentRevocation): object {
  const { fingerprint, serial, issuer, reason, revokedAt, invalidityDate, logIndex } = revocation;
  return {
    fingerprint,
    serial,
    issuer,
    reason,
    revokedAt: wireTime(revokedAt),
    ...(invalidityDate && { invalidityDate: wireTime(invalidityDate) }),
    logIndex: Number(logIndex),
  };
}
