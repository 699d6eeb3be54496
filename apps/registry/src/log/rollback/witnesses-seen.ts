import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { encodeUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { EMPTY_ROOT } from '@margo-trust/merkle';
import { encodeCheckpoint, encodeNote, parseCheckpoint, parseNote, verifierKeyId } from '@margo-trust/tlog';
import { Config } from '../../config.ts';
import { askToCosign, findWitnessedCheckpoint, WitnessError } from '../witnessing/ask-witness.ts';
import type { HighWater, SeenHead } from './high-water.ts';
import { LogKeys } from '../keys/log-keys.ts';
import { ed25519Raw, LogIdentity } from '../log-identity.ts';
import { WitnessQuorum } from '../witnessing/witness-quorum.ts';

/** Of the two seconds that the latch waits for an answer. */
const ASK_FOR_MS = 900;

/**
 * How much of the log its witnesses have seen. Each is asked for its newest checkpoint, which our own key has signed; one that
 * shows none is asked for a size, by submitting the empty tree, with which every log begins: to sign that says nothing.
 *
 * A size alone is a witness's mere word, and a lie stops the log. That is on purpose, for a log that went back behind its
 * witnesses must not go on; a witness that lies is taken out of the policy.
 */
@Injectable()
export class WitnessesSeen implements HighWater {
  readonly name = 'a witness';

  constructor(
    private readonly config: Config,
    private readonly identity: LogIdentity,
    private readonly keys: LogKeys,
    private readonly quorum: WitnessQuorum,
  ) {}

  /** Throws when there are witnesses and none can be asked. */
  async load(): Promise<SeenHead | undefined> {
    const witnesses = this.config.witnessing?.policy.witnesses ?? [];
    if (witnesses.length === 0) return undefined;
    const answers = await Promise.allSettled(witnesses.map(({ url = '' }) => this.ask(url)));
    const seen = answers.flatMap((answer) => (answer.status === 'fulfilled' ? (answer.value ?? []) : []));
    if (answers.every(({ status }) => status === 'rejected')) throw new Error('No witness can be asked.');
    return seen.sort(
      (a, b) => Number(b.size - a.size) || Number(b.root !== undefined) - Number(a.root !== undefined),
    )[0];
  }

  private async ask(url: string): Promise<SeenHead | undefined> {
    return (await this.findShown(url)) ?? (await this.askForSize(url));
  }

  private async findShown(url: string): Promise<SeenHead | undefined> {
    const originHash = createHash('sha256').update(this.identity.origin).digest('hex');
    try {
      const note = await findWitnessedCheckpoint(url, originHash, AbortSignal.timeout(ASK_FOR_MS));
      if (note) await this.keys.cover(parseCheckpoint(parseNote(note).text));
      const checkpoint = note && this.quorum.judge(note).checkpoint;
      return checkpoint && { size: checkpoint.size, root: checkpoint.root };
    } catch (error) {
      if (error instanceof WitnessError || error instanceof Fault) return undefined;
      throw error;
    }
  }

  private async askForSize(url: string): Promise<SeenHead | undefined> {
    const request = { oldSize: 0n, path: [], checkpoint: await this.signEmptyTree() };
    const answer = await askToCosign(url, request, AbortSignal.timeout(ASK_FOR_MS));
    return 'cosignedSize' in answer ? { size: answer.cosignedSize } : undefined;
  }

  private async signEmptyTree(): Promise<Uint8Array> {
    const { origin, checkpoint: signer } = this.identity;
    const text = encodeCheckpoint({ origin, size: 0n, root: EMPTY_ROOT, extensions: [] });
    const keyHash = verifierKeyId(origin, ed25519Raw(signer.spki)).slice(0, 4);
    return encodeNote({
      text,
      signatures: [{ name: origin, keyHash, signature: await signer.sign(encodeUtf8(text)) }],
    });
  }
}
