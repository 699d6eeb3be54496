import { randomBytes } from 'node:crypto';
import { encodeTimestampRequest } from '@margo-trust/timestamp';
import { describe, load, writeBodies } from './load.mjs';
import { withService } from './service.mjs';

const SECONDS = 5;

/** Stamps over 32 connections, each query over other bytes, client and service on the same cores. */
export function measureTimestamps() {
  return withService(async ({ url }) => {
    const bodies = writeBodies('queries', 40_000, () =>
      encodeTimestampRequest({
        ...{ hash: 'SHA-256', imprint: randomBytes(32), certReq: true },
        nonce: BigInt(`0x${randomBytes(8).toString('hex')}`),
      }),
    );
    try {
      const order = {
        ...{ url: `${url}/tsa`, method: 'POST', contentType: 'application/timestamp-query' },
        ...{ bodies: bodies.path, connections: 32, expect: 200 },
      };
      await load({ ...order, limit: 1_000 });
      return [['stamps, 32 connections', describe(await load({ ...order, skip: 1_000, seconds: SECONDS }))]];
    } finally {
      bodies.remove();
    }
  });
}
