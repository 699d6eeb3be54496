import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import type { Fault } from '@margo-trust/fault';
import { refuseStanding } from '@margo-trust/policy';
import { AnchorReader } from '../../certificates/anchors/anchor.reader.ts';
import { CertificateReader } from '../../certificates/certificate.reader.ts';
import type { Tx } from '../../db/db.ts';
import { RegistrationFault } from '../log.fault.ts';
import type { NewEntry } from '../log.store.ts';
import { AnchoredCertificateStore } from './anchored-certificate.store.ts';

/**
 * Judges again, in the transaction that seals them, the entries whose paths end at anchors of vendors' own: is the anchor still in
 * force, and is no key between it and the signature revoked? What passes is remembered, since the registry has not issued it.
 */
@Injectable()
export class StandingAnchors {
  constructor(
    private readonly anchors: AnchorReader,
    private readonly certificates: CertificateReader,
    private readonly seen: AnchoredCertificateStore,
  ) {}

  /** Says of each entry why not, if not; `undefined` for those under the registry's own anchors. */
  async run(tx: Tx, entries: readonly NewEntry[]): Promise<(entry: NewEntry) => Fault | undefined> {
    const anchored = entries.filter(({ admission }) => admission?.anchor);
    if (anchored.length === 0) return () => undefined;
    const paths = anchored.flatMap(({ admission }) => admission?.anchor ?? []);
    const keys = paths.flatMap((path) => path.keys);
    const [inForce, revoked] = await Promise.all([
      this.anchors.inForceAmong(tx, [...new Set(paths.map(({ id }) => id))]),
      this.certificates.revokedKeys(tx, keys),
    ]);
    const refuse = ({ admission }: NewEntry): Fault | undefined => {
      const path = admission?.anchor;
      if (path === undefined) return undefined;
      if (!inForce.has(path.id)) {
        return new RegistrationFault('registration/anchor-withdrawn', 'The CA of the vendor is registered no more.');
      }
      return refuseStanding(
        true,
        path.keys.some((key) => revoked.has(encodeHex(key))),
        false,
      );
    };
    const standing = anchored.flatMap((entry) => {
      const { certificate: fingerprint, admission } = entry;
      if (!fingerprint || !admission?.anchor || refuse(entry)) return [];
      return [{ fingerprint, anchorId: admission.anchor.id, keys: admission.anchor.keys }];
    });
    await this.seen.insertAll(tx, standing);
    return refuse;
  }
}
