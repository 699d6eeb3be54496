import { Injectable } from '@nestjs/common';
import { encodeUtf8, parseHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { buildInSteps, FilterKeys } from '@margo-trust/revocation-filter';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import type { Tx } from '../db/db.ts';
import { LogIdentity } from '../log/log-identity.ts';
import type { CurrentRevocation } from '../revocation/revocation.reader.ts';

/** Certificates that are read at once: hashing them takes some 40 ms, and others want the thread too. */
const AT_ONCE = 10_000;

/**
 * Makes the exact filter over everything issued (libs/revocation-filter). What stands for a certificate is computed once and
 * kept in memory, 16 bytes each; it is read again after a restart.
 */
@Injectable()
export class MakeFilter {
  private readonly issued = new FilterKeys();
  /** Log index of each of them, in the same order, which is the log's. */
  private readonly indices: number[] = [];
  private made: { readonly state: string; readonly bytes: Uint8Array } | undefined;

  constructor(
    private readonly certificates: CertificateReader,
    private readonly identity: LogIdentity,
  ) {}

  /**
   * Over the certificates that the log holds below `size`, of which `revoked` are. While neither changes the file stays the same,
   * and with it the size that it names.
   */
  async run(tx: Tx, size: bigint, revoked: readonly CurrentRevocation[]): Promise<Uint8Array> {
    const authorities = await this.certificates.authorities(tx);
    const issuerKeys = new Map(authorities.map(({ name, certificate }) => [name, sha256(certificate.spki)]));
    await this.readOn(tx, issuerKeys);
    const issued = this.indices.findLastIndex((index) => index < Number(size)) + 1;
    const state = `${issued} ${revoked.map(({ serial }) => serial).join(' ')} ${[...issuerKeys.keys()].join(' ')}`;
    if (this.made?.state === state) return this.made.bytes;

    const keysOfRevoked = new FilterKeys();
    for (const { issuer, serial } of revoked) keysOfRevoked.add(keyOf(issuerKeys, issuer), parseHex(serial));
    const { origin } = this.identity;
    const bytes = await inTurns(
      buildInSteps({
        origin,
        logSize: Number(size),
        issuers: authorities.filter(({ role }) => role === 'issuing').map(({ name }) => keyOf(issuerKeys, name)),
        salt: sha256(encodeUtf8(`margo.revocation-filter.salt.v1\0${origin}\0${size}`)).subarray(0, 16),
        ...(await inTurns(partition(this.issued, issued, keysOfRevoked))),
      }),
    );
    this.made = { state, bytes };
    return bytes;
  }

  private async readOn(tx: Tx, issuerKeys: ReadonlyMap<string, Uint8Array>): Promise<void> {
    for (;;) {
      const next = await this.certificates.serialsFrom(tx, (this.indices.at(-1) ?? -1) + 1, AT_ONCE);
      for (const { issuer, serial, logIndex } of next) {
        this.issued.add(keyOf(issuerKeys, issuer), parseHex(serial));
        this.indices.push(logIndex);
      }
      if (next.length < AT_ONCE) return;
    }
  }
}

/** Lets others have their turn between the steps: at a million certificates they take a second together. */
async function inTurns<T>(steps: Generator<undefined, T>): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The first `count` of all, by whether they are among the revoked; those beyond are nobody's concern yet. */
function* partition(
  all: FilterKeys,
  count: number,
  wanted: FilterKeys,
): Generator<undefined, { revoked: FilterKeys; valid: FilterKeys }> {
  const [revoked, valid] = [new FilterKeys(), new FilterKeys()];
  const known = new Map<number, number[]>();
  for (let at = 0; at < wanted.words.length; at += 4) {
    const first = wanted.words[at] ?? 0;
    known.set(first, [...(known.get(first) ?? []), at]);
  }
  const { words } = all;
  for (let index = 0; index < count; index += 1) {
    if (index % AT_ONCE === 0) yield;
    const at = index * 4;
    const places = known.get(words[at] ?? 0);
    const isRevoked = places?.some((place) => [1, 2, 3].every((n) => wanted.words[place + n] === words[at + n]));
    (isRevoked === true ? revoked : valid).copy(all, index);
  }
  return { revoked, valid };
}

function keyOf(issuerKeys: ReadonlyMap<string, Uint8Array>, issuer: string): Uint8Array {
  const key = issuerKeys.get(issuer);
  if (key === undefined) throw new Error(`There is no authority ${issuer}.`);
  return key;
}
