import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTufSnapshot } from '@margo-trust/tuf';
import { parseEvidenceBundle, parseTrustRoot, Verifier, verifyEvidenceBundle } from '@margo-trust/verifier';
import { quantile } from './quantile.mjs';
import { withService } from './service.mjs';

/** Offline verdicts on one core: no network, no clock. */
export function measureVerifications() {
  return withService(async ({ dataDir }) => {
    const bytes = Uint8Array.from(readFileSync(join(dataDir, 'demo/evidence.bundle')));
    const initialRoot = Uint8Array.from(readFileSync(join(dataDir, 'demo/root.json')));
    const now = new Date();
    const bundle = parseEvidenceBundle(bytes);
    const snapshot = openTufSnapshot({ ...bundle.trustRoot, initialRoot }, { now, expired: 'report' });
    const signed = bundle.artifacts.filter(({ signatures }) => signatures.length > 0);

    const cold = timed(20, () => {
      if (!verifyEvidenceBundle(bytes, { initialRoot, now }).trusted) throw new Error('The bundle is refused.');
    });
    const verifier = new Verifier(parseTrustRoot(snapshot));
    let next = 0;
    const warm = timed(10_000, () => {
      const artifact = signed[next++ % signed.length];
      if (!verifier.verifyArtifact(artifact, artifact.signatures).trusted) throw new Error('A signature is refused.');
    });
    return [
      [
        `evidence bundle of ${Math.round(bytes.length / 1024)} kB with ${signed.length} artifacts, cold`,
        `${cold.p50.toFixed(1)} ms`,
      ],
      [
        'artifact signature with log receipt and time-stamp, chain cached',
        `${Math.round(1000 / warm.mean)}/s, p50 ${warm.p50.toFixed(3)} ms`,
      ],
    ];
  });
}

function timed(count, run) {
  const times = [];
  for (let i = 0; i < count; i += 1) {
    const begin = performance.now();
    run();
    times.push(performance.now() - begin);
  }
  const mean = times.reduce((sum, time) => sum + time, 0) / count;
  times.sort((a, b) => a - b);
  return { mean, p50: quantile(times, 0.5) };
}
