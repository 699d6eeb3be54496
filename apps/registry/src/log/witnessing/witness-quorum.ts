import { Injectable } from '@nestjs/common';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import {
  isQuorum,
  parseCheckpoint,
  parseNote,
  verifyWitnessed,
  type Policy,
  type WitnessedCheckpoint,
} from '@margo-trust/tlog';
import { Config } from '../../config.ts';
import { LogIdentity } from '../log-identity.ts';

export interface JudgedCheckpoint extends WitnessedCheckpoint {
  readonly hasQuorum: boolean;
}

/** What the configured policy says about a checkpoint of this log. */
@Injectable()
export class WitnessQuorum {
  constructor(
    private readonly config: Config,
    private readonly identity: LogIdentity,
  ) {}

  /**
   * Whose cosignatures the note has, and whether they are enough. Throws TlogFault unless this log signed it with a key
   * that speaks for its size and that this process knows of (LogKeys), or when one of its
   * or of a witness's signatures is wrong.
   */
  judge(note: Uint8Array): JudgedCheckpoint {
    const { size } = parseCheckpoint(parseNote(note).text);
    const logs = this.identity.checkpointKeysAt(size).map((key) => ({ key }));
    const policy: Policy = this.config.witnessing?.policy ?? NOBODY;
    const judged = verifyWitnessed(note, { ...policy, logs, quorum: undefined }, verifyMlDsa44);
    const hasQuorum = isQuorum(
      policy,
      judged.cosigners.map(({ name }) => name),
    );
    return { ...judged, hasQuorum };
  }
}

const NOBODY: Policy = { logs: [], witnesses: [], groups: [], quorum: undefined };
