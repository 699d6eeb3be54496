import { Inject, Injectable } from '@nestjs/common';
import { Fault } from '@margo-trust/fault';
import { encodeVerifierKey, parseCheckpoint, parseNote, parseVerifierKey, verifyNote } from '@margo-trust/tlog';
import type { HighWater, SeenHead } from '../rollback/high-water.ts';
import { ed25519Raw, LogIdentity } from '../log-identity.ts';
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
    const { origin, checkpoint } = this.identity;
    const key = parseVerifierKey(encodeVerifierKey(origin, ed25519Raw(checkpoint.spki)));
    try {
      const note = parseNote(file.bytes);
      verifyNote(note, [key]);
      const found = parseCheckpoint(note.text);
      if (found.origin === origin) return { size: found.size, root: found.root, file };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
    throw new Error('The tile store holds a checkpoint that this log did not sign.');
  }
}
