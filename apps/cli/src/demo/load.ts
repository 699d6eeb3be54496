import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export const DEMO_APPLICATIONS = ['nextcloud', 'otel'] as const;
export type DemoApplication = (typeof DEMO_APPLICATIONS)[number];

/** Content by path within the application's folder, sorted by path: what is packed must not depend on the file system. */
export type DemoFiles = ReadonlyMap<string, Uint8Array>;

/** The files of an example application that the command line tool ships. */
export async function loadDemoFiles(application: DemoApplication): Promise<DemoFiles> {
  const folder = findAssets(application);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(folder.length).replaceAll('\\', '/').replace(/^\//, ''))
    .sort();
  const files = new Map<string, Uint8Array>();
  for (const path of paths) files.set(path, new Uint8Array(await readFile(folder + path)));
  return files;
}

/** `assets` lies beside `src` and `dist`; this code runs from `src/demo`, or bundled from `dist`. */
function findAssets(application: DemoApplication): string {
  const found = ['../../assets/', '../assets/']
    .map((assets) => fileURLToPath(new URL(`${assets}${application}/`, import.meta.url)))
    .find((folder) => existsSync(folder));
  if (found === undefined) throw new Error(`The files of the demonstration ${application} are not installed.`);
  return found;
}
