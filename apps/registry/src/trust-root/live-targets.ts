import { encodeBase64, encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { encodeJsonPayload } from '@margo-trust/statement';
import { revokedShard, vendorShard } from '@margo-trust/verifier';
import type { RevocationKind } from '@margo-trust/wire';
import type { StoredAnchor } from '../certificates/anchors/anchor.reader.ts';
import type { Authority } from '../certificates/certificate.reader.ts';
import type { CurrentRevocation, HeldRevocation } from '../revocation/revocation.reader.ts';
import type { PublishingVendor } from '../vendors/vendor.reader.ts';
import { wireTime } from '../wire-time.ts';

/** An admitted vendor with the transparent statement of its admission. */
export interface ProvenVendor extends PublishingVendor {
  readonly record: Uint8Array;
  /** Each with the transparent statement of its registration. */
  readonly openpgpKeys: readonly { readonly key: Uint8Array; readonly record: Uint8Array }[];
  /** Its own anchors for what it signs, withdrawn ones too. */
  readonly anchors: readonly ProvenAnchor[];
}

/** An anchor with the transparent statement of its registration. */
export interface ProvenAnchor extends StoredAnchor {
  readonly record: Uint8Array;
}

/** The directory of device manufacturers' CAs (IEEE 802.1AR). */
export const DEVICE_CAS = 'live.device-cas.json';

/** The file of that name, where there is any such CA. A CA counts with its record alone: the online role cannot add one. */
export function encodeDeviceCas(anchors: readonly ProvenAnchor[]): Readonly<Record<string, Uint8Array>> {
  if (anchors.length === 0) return {};
  const cas = anchors.map((anchor) => ({ vendor: anchor.vendorId, uri: anchor.vendorUri, ...describeAnchor(anchor) }));
  return { [DEVICE_CAS]: encodeJsonPayload({ type: 'margo.device-cas.v1', cas }) };
}

/** Withdrawals are rounded up: what the log admitted in that second was admitted before. */
function describeAnchor({ record, withdrawal }: ProvenAnchor): object {
  const second = withdrawal && new Date(Math.ceil(withdrawal.at.getTime() / 1_000) * 1_000);
  return { record: encodeBase64(record), ...(second && { withdrawnAt: wireTime(second) }) };
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
  /** Keys, issuers, vendors and digests. */
  readonly broad: readonly HeldRevocation[];
  readonly authorities: readonly Authority[];
  /** The list is complete up to here. */
  readonly asOf: Date;
  readonly logSize: bigint;
}

/** `live.revocations.v1.json`. A suspended vendor is told by its status; this is about what is refused for good. */
export function encodeRevocationList(state: RevocationState): Uint8Array {
  const { sequence, broad, authorities, asOf, logSize } = state;
  const of = (kind: RevocationKind) => broad.filter((held) => held.kind === kind);
  return encodeJsonPayload({
    type: 'margo.revocations.v1',
    sequence: Number(sequence),
    asOf: wireTime(asOf),
    logSize: Number(logSize),
    // Those that were issued here stand in the files of their vendors; others would stand here.
    certificates: [],
    keys: of('key').map((held) => ({ spki: held.target, ...describeVerdict(held) })),
    issuers: of('issuer').map((held) => ({
      name: held.target,
      spki: keyOf(authorities, held.target),
      ...describeVerdict(held),
    })),
    vendors: of('vendor').map((held) => ({ id: held.target, ...describeVerdict(held) })),
    digests: of('digest').map((held) => ({
      digest: held.target,
      ...(held.vendorId !== undefined && { vendor: held.vendorId }),
      ...describeVerdict(held),
    })),
  });
}

/**
 * `live.revoked.<xx>.json`: since when and why certificates are revoked, in shards as the vendors are. A device needs those of
 * the vendors that it judges; which certificates are revoked at all the filter tells.
 */
export function encodeRevokedShards(certificates: readonly CurrentRevocation[]): Readonly<Record<string, Uint8Array>> {
  const shards = new Map<string, CurrentRevocation[]>();
  const byVendor = new Map<string, CurrentRevocation[]>();
  for (const revocation of certificates) {
    const known = byVendor.get(revocation.vendorId);
    const name = known ? '' : revokedShard(revocation.vendorId); // a hash: once for each vendor
    const shard = known ?? shards.get(name) ?? [];
    shard.push(revocation);
    if (known) continue;
    byVendor.set(revocation.vendorId, shard);
    shards.set(name, shard);
  }
  return Object.fromEntries(
    [...shards].map(([name, revoked]) => [
      name,
      encodeJsonPayload({
        type: 'margo.revoked.v1',
        certificates: revoked.map(({ fingerprint, serial, issuer, ...held }) => ({
          ...{ fingerprint, serial, issuer },
          ...describeVerdict(held),
        })),
      }),
    ]),
  );
}

function keyOf(authorities: readonly Authority[], name: string): string {
  const found = authorities.find((authority) => authority.name === name);
  if (found === undefined) throw new Error(`There is no authority ${name}.`);
  return encodeHex(sha256(found.certificate.spki));
}

function describeVendor(vendor: ProvenVendor): object {
  const { id, uri, legalName, status, subject, claims, record, openpgpKeys, anchors } = vendor;
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
    // Left out where there is none: most vendors have none, and what they publish stays as it was.
    ...(openpgpKeys.length > 0 && {
      openpgpKeys: openpgpKeys.map(({ key, record: proof }) => ({
        key: encodeBase64(key),
        record: encodeBase64(proof),
      })),
    }),
    ...(anchors.length > 0 && { anchors: anchors.map(describeAnchor) }),
  };
}

function describeVerdict({
  reason,
  revokedAt,
  invalidityDate,
  logIndex,
}: Omit<HeldRevocation, 'kind' | 'target' | 'sequence' | 'entryId'>): object {
  return {
    reason,
    revokedAt: wireTime(revokedAt),
    ...(invalidityDate && { invalidityDate: wireTime(invalidityDate) }),
    logIndex: Number(logIndex),
  };
}
