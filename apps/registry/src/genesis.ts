import type { INestApplicationContext } from '@nestjs/common';
import { SeatGovernance } from './callers/seat-governance.ts';
import { foundRegistry } from './found-registry.ts';

/**
 * What must exist before the first request, in order. Every step finds out by itself whether it is already done, and is
 * safe to repeat after a crash.
 */
export async function runGenesis(app: INestApplicationContext): Promise<void> {
  await foundRegistry(app);
  await app.get(SeatGovernance).run();
}
