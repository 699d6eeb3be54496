import { cpus, totalmem } from 'node:os';
import { measureAudits } from './audit.mjs';
import { measureCertificates } from './certificates.mjs';
import { measureDevice } from './device.mjs';
import { measureFilter } from './filter.mjs';
import { measureLog } from './log.mjs';
import { measurePaths } from './paths.mjs';
import { measureReads } from './reads.mjs';
import { measureRevocation } from './revocation.mjs';
import { measureSearch } from './search.mjs';
import { measureStart } from './start.mjs';
import { measureTimestamps } from './timestamps.mjs';
import { measureVerifications } from './verifications.mjs';

const BENCHES = {
  start: measureStart,
  log: measureLog,
  reads: measureReads,
  verifications: measureVerifications,
  timestamps: measureTimestamps,
  paths: measurePaths,
  audits: measureAudits,
  search: measureSearch,
  filter: measureFilter,
  revocation: measureRevocation,
  certificates: measureCertificates,
  device: measureDevice,
};

const isLong = process.argv.includes('--long');
const wanted = process.argv.slice(2).filter((name) => name !== '--long');
const unknown = wanted.find((name) => !Object.hasOwn(BENCHES, name));
if (unknown !== undefined) {
  console.error(`There is no benchmark "${unknown}"; there are ${Object.keys(BENCHES).join(', ')}.`);
  process.exit(2);
}

console.log(
  `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
);
for (const [name, measure] of Object.entries(BENCHES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n${name}`);
  for (const [what, figure] of await measure({ isLong })) console.log(`  ${what.padEnd(62)} ${figure}`);
}
