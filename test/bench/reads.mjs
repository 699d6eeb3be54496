import { describe, load } from './load.mjs';
import { withService } from './service.mjs';

/** Published files over 64 connections, three seconds each. Those of the log are in the benchmark `log`. */
export function measureReads() {
  return withService(async ({ url }) => {
    const results = [];
    for (const path of ['/tuf/timestamp.json', '/crl/root/0.crl']) {
      const order = { url: `${url}${path}`, connections: 64, expect: 200 };
      await load({ ...order, seconds: 0.5 });
      results.push([`GET ${path}`, describe(await load({ ...order, seconds: 3 }))]);
    }
    return results;
  });
}
