import { describe, load } from './load.mjs';
import { withService } from './service.mjs';

/** Public reads over 64 connections, three seconds each. */
export function measureReads() {
  return withService(async ({ url }) => {
    const paths = ['/tuf/timestamp.json', '/crl/issuing-1/0.crl', '/log/checkpoint', '/log/tile/0/000.p/8'];
    const results = [];
    for (const path of paths) {
      const one = { url: `${url}${path}` };
      await load({ connections: 64, seconds: 0.5, draw: () => one, expect: 200 });
      results.push([
        `GET ${path}`,
        describe(await load({ connections: 64, seconds: 3, draw: () => one, expect: 200 })),
      ]);
    }
    return results;
  });
}
