import { Injectable } from '@nestjs/common';
import { sha256 } from '@margo-trust/crypto';
import { admitHashedRekord, digestOfHashedRekord, unknownVendor } from '@margo-trust/policy';
import {
  describeLogEntry,
  encodeHashedRekord,
  type HashedRekord,
  HASHED_REKORD_TYPE,
  parseEntryRequest,
} from '@margo-trust/sigstore';
import { verifierKeyId } from '@margo-trust/tlog';
import { Clock } from '../../clock.ts';
import { HeadSigner } from '../head-signer.ts';
import { ed25519Raw, LogIdentity } from '../log-identity.ts';
import { LogReader } from '../log.reader.ts';
import { PolicyReader, type LoggedPolicy } from './policy.reader.ts';
import type { NewEntry } from '../log.store.ts';
import { Sequencer } from '../sequencer.ts';
import { SignerFacts } from './signer-facts.ts';
import { admissionOf, underPolicy } from './under-policy.ts';

/**
 * Admits what a vendor signed with a Sigstore tool: by the same policy, through the same sequencer and with the same check at
 * commit as a statement. Who sends the certificate of an active vendor and a signature by its key is the vendor.
 */
@Injectable()
export class RegisterHashedRekord {
  constructor(
    private readonly sequencer: Sequencer,
    private readonly signers: SignerFacts,
    private readonly policies: PolicyReader,
    private readonly reader: LogReader,
    private readonly signer: HeadSigner,
    private readonly identity: LogIdentity,
    private readonly clock: Clock,
  ) {}

  /** `request` comes from anybody. Returns a `TransparencyLogEntry`; the old one when the log holds the entry already. */
  async run(request: Uint8Array): Promise<object> {
    const entry = parseEntryRequest(request);
    const leaf = encodeHashedRekord(entry);
    const { index } = await underPolicy(this.policies, (logged) =>
      this.sequencer.register(this.judge(entry, leaf, logged)),
    );
    return this.prove(index, leaf);
  }

  private async judge(entry: HashedRekord, leaf: Uint8Array, logged: LoggedPolicy): Promise<NewEntry> {
    const path = admitHashedRekord(entry, logged.policy, await this.signers.paths(), this.clock.now());
    const [uri = ''] = path[0].uriSans;
    const vendor = await this.signers.findVendor(uri);
    if (!vendor) throw unknownVendor();
    this.signers.limit(vendor, logged.policy);

    const digest = digestOfHashedRekord(entry);
    return {
      entry: sha256(leaf),
      raw: leaf,
      chain: [],
      contentType: HASHED_REKORD_TYPE,
      issuer: uri,
      subject: digest,
      vendorId: vendor.id,
      certificate: sha256(entry.certificate),
      mentions: [digest],
      admission: admissionOf(logged, { path }),
    };
  }

  /** Against the newest head: what was committed may be signed, and a client waits for no other. */
  private async prove(index: bigint, leaf: Uint8Array): Promise<object> {
    const head = await this.reader.loadHead();
    const [path, checkpoint] = await Promise.all([
      this.reader.inclusionPath(index, head.size),
      this.signer.signCheckpoint(head),
    ]);
    const { origin } = this.identity;
    const logId = verifierKeyId(origin, ed25519Raw(this.identity.keySet.at('checkpoint', head.size).spki));
    return describeLogEntry({ index, logId, leaf, path, size: head.size, root: head.root, checkpoint });
  }
}
