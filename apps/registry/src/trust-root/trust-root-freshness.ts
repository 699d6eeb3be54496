import { Injectable } from '@nestjs/common';
import { Clock } from '../clock.ts';
import { wireTime } from '../wire-time.ts';
import { TrustRootReader } from './trust-root.reader.ts';

/** Twice the interval at which it is renewed. */
const LATE_AFTER_MS = 48 * 3_600_000;

/** Says when the trust root is not renewed as it should be: days before devices would call it stale. */
@Injectable()
export class TrustRootFreshness {
  constructor(
    private readonly reader: TrustRootReader,
    private readonly clock: Clock,
  ) {}

  async complaint(): Promise<string | undefined> {
    const current = await this.reader.findCurrent();
    if (current === undefined) return 'This registry has had no genesis yet.';
    const { publishedAt } = current;
    if (publishedAt === undefined) return 'The trust root was never published: is the worker running?';
    if (this.clock.now().getTime() - publishedAt.getTime() < LATE_AFTER_MS) return undefined;
    return `The trust root was last published at ${wireTime(publishedAt)}: is the worker running?`;
  }
}
