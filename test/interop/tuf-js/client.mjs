/**
 * tuf-js's updater as a program, with the arguments of every TUF client here: `ROOT_JSON BASE_URL STATE_DIR TARGET…`
 * updates STATE_DIR/metadata and downloads the targets into STATE_DIR/targets.
 */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Updater } from 'tuf-js';

const [rootPath, baseUrl, stateDir, ...names] = process.argv.slice(2);
if (stateDir === undefined) {
  console.error('usage: client.mjs ROOT_JSON BASE_URL STATE_DIR TARGET…');
  process.exit(2);
}

const metadataDir = join(stateDir, 'metadata');
const targetDir = join(stateDir, 'targets');
for (const directory of [metadataDir, targetDir]) mkdirSync(directory, { recursive: true });
// tuf-js takes its trust from this file and keeps the newest root in it: it is given once, not again on every run.
if (!existsSync(join(metadataDir, 'root.json'))) copyFileSync(rootPath, join(metadataDir, 'root.json'));

const updater = new Updater({ metadataDir, metadataBaseUrl: baseUrl, targetDir, targetBaseUrl: `${baseUrl}/targets` });
await updater.refresh();
for (const name of names) {
  const info = await updater.getTargetInfo(name);
  if (info === undefined) throw new Error(`${name}: no such target`);
  await updater.downloadTarget(info, join(targetDir, name));
}
