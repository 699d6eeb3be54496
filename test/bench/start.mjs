import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { residentBytes, withService } from './service.mjs';

/** Start to `ready`, installed and built: the first time with ceremony and story, then three times warm. */
export async function measureStart() {
  const dataDir = mkdtempSync(join(tmpdir(), 'margo-bench-'));
  try {
    const first = await withService(({ seconds }) => seconds, { dataDir });
    const warm = [];
    let resident = 0;
    for (let i = 0; i < 3; i += 1) {
      warm.push(
        await withService(
          async ({ seconds, pid }) => {
            await new Promise((resolve) => setTimeout(resolve, 3000));
            resident = residentBytes(pid);
            return seconds;
          },
          { dataDir },
        ),
      );
    }
    warm.sort((a, b) => a - b);
    return [
      ['first start: database, keys, ceremony, story', `${first.toFixed(1)} s`],
      ['warm start', `${warm[1].toFixed(2)} s (of ${warm.map((s) => s.toFixed(2)).join(', ')})`],
      ['resident memory, idle, without PostgreSQL', `${Math.round(resident / 2 ** 20)} MiB`],
    ];
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}
