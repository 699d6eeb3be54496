import { Inject, Injectable } from '@nestjs/common';
import { Fault } from '@margo-trust/fault';
import { parseCheckpoint, parseNote, verifyLogNote } from '@margo-trust/tlog';
import type { HighWater, SeenHead } from '../rollback/high-water.ts';
import { LogKeys } from '../keys/log-keys.ts';
import { LogIdentity } from '../log-identity.ts';
import { type KeptFile, TileStore } from '../tiles/tile-store.ts';

export interface StoredHead extends Required<SeenHead> {
  readonly file: KeptFile;
}

/** The checkpoint that lies in the tile store: what the world has been shown, whatever the database says. */
@Injectable()
export class StoredCheckpoint implements HighWater {
  readonly name = 'the tile store';

  constructor(
    @Inject(TileStore) private readonly store: TileStore | undefined,
    private readonly identity: LogIdentity,
    private readonly keys: LogKeys,
  ) {}

  load(): Promise<SeenHead | undefined> {
    return this.find();
  }

  /**
   * `undefined` when there is no store, or none in it. Throws when it holds one that this log did not sign: the wrong bucket, or a
   * spoiled file. It then says nothing about this log, and must not be overwritten either.
   */
  async find(): Promise<StoredHead | undefined> {
    const file = await this.store?.read('checkpoint');
    if (!file) return undefined;
    try {
      const note = parseNote(file.bytes);
      await this.keys.cover(parseCheckpoint(note.text));
      const { size, root } = verifyLogNote(note, this.identity.checkpointWindows);
      return { size, root, file };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
    throw new Error('The tile store holds a checkpoint that this log did not sign.');
  }
}
