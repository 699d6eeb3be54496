import { Injectable } from '@nestjs/common';
import { encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { REVOCATION_FILTER } from '@margo-trust/verifier';
import { AnchorReader } from '../certificates/anchors/anchor.reader.ts';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import type { Tx } from '../db/db.ts';
import { PublishedFiles } from '../http/published-files.store.ts';
import { LogReader } from '../log/log.reader.ts';
import { PublishedCheckpoint } from '../log/witnessing/published-checkpoint.ts';
import { RevocationReader } from '../revocation/revocation.reader.ts';
import { OpenpgpKeyReader } from '../vendors/openpgp/openpgp-key.reader.ts';
import { VendorReader } from '../vendors/vendor.reader.ts';
import { MakeFilter } from './make-filter.ts';
import { encodeDeviceCas, encodeRevocationList, encodeRevokedShards, encodeVendorShards } from './live-targets.ts';
import { ProveAdmissions } from './prove-admissions.ts';

/** The files of the online `live` role: what removes trust, and what can be derived from the log again. */
@Injectable()
export class CollectLiveTargets {
  constructor(
    private readonly certificates: CertificateReader,
    private readonly vendors: VendorReader,
    private readonly openpgpKeys: OpenpgpKeyReader,
    private readonly anchors: AnchorReader,
    private readonly revocations: RevocationReader,
    private readonly admissions: ProveAdmissions,
    private readonly filter: MakeFilter,
    private readonly files: PublishedFiles,
    private readonly log: LogReader,
    private readonly checkpoint: PublishedCheckpoint,
  ) {}

  /**
   * The targets by name; `asOf` is no later than this call.
   *
   * The log's head is read last, so that it covers everything read before. It is read outside the transaction: only a
   * committed head may be signed. With witnesses the checkpoint is the newest that they have cosigned, which may be older.
   */
  async run(tx: Tx, asOf: Date): Promise<Readonly<Record<string, Uint8Array>>> {
    // Read first: whatever is in the log below it is committed, and seen by what follows.
    const { size } = await this.log.loadHead();
    const owned = { openpgpKeys: await this.openpgpKeys.all(tx), anchors: await this.anchors.published(tx) };
    const { vendors, deviceCas } = await this.admissions.run(tx, await this.vendors.admitted(tx), owned);
    const sequence = await this.revocations.sequence(tx);
    const certificates = await this.revocations.certificates(tx);
    const revocations = {
      sequence,
      broad: await this.revocations.broad(tx),
      authorities: await this.certificates.authorities(tx),
    };
    const crls = await this.crls(tx);
    const head = await this.log.loadHead();
    return {
      ...encodeVendorShards(vendors),
      ...encodeDeviceCas(deviceCas),
      'live.revocations.v1.json': encodeRevocationList({ ...revocations, asOf, logSize: head.size }),
      ...encodeRevokedShards(certificates),
      [REVOCATION_FILTER]: await this.filter.run(tx, size, certificates),
      ...crls,
      'live.checkpoint': (await this.checkpoint.forTrustRoot(head)).note,
    };
  }

  /**
   * One line that reads otherwise as soon as a vendor, an anchor, a revocation or a CRL is another, or witnesses have cosigned for the first
   * time. The log's size is no part of it: publishing is itself put on record, and must not be its own reason. Cheap enough to be
   * asked every second.
   */
  async state(tx?: Tx): Promise<string> {
    const vendors = await this.vendors.stateOfAdmitted(tx);
    const openpgpKeys = await this.openpgpKeys.state(tx);
    const anchors = await this.anchors.state(tx);
    const sequence = await this.revocations.sequence(tx);
    const crls = (await this.revocations.crls(tx)).map(
      ({ ca, shard, number, twin }) => `${ca}/${shard}:${twin?.number ?? number}`,
    );
    const witnessed = (await this.checkpoint.isWitnessed()) ? ' witnessed' : '';
    return `vendors ${vendors} anchors ${anchors} openpgp ${openpgpKeys} revocations ${sequence} crls ${encodeHex(sha256(encodeUtf8(crls.join(' '))))}${witnessed}`;
  }

  /** For whoever has no network: the long-lived twins, where there are some. They change when their content does, and weekly. */
  private async crls(tx: Tx): Promise<Record<string, Uint8Array>> {
    const wanted = (await this.revocations.crls(tx)).map(({ ca, shard, twin }) => ({
      name: `live.crl.${ca}.${shard}.crl`,
      path: twin === undefined ? `/crl/${ca}/${shard}.crl` : `/crl/${ca}/${shard}.long.crl`,
    }));
    const found = await this.files.findAllIn(
      tx,
      wanted.map(({ path }) => path),
    );
    return Object.fromEntries(
      wanted.map(({ name, path }) => {
        const body = found.get(path);
        if (body === undefined) throw new Error(`The CRL at ${path} was signed and is not published.`);
        return [name, body];
      }),
    );
  }
}
