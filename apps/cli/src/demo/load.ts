import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export const DEMO_APPLICATIONS = ['nextcloud', 'otel'] as const;
export type DemoApplication = (typeof DEMO_APPLICATIONS)[number];

/** Content by path within the application's folder, sorted by path: what is packed must not depend on the file system. */
export type DemoFiles = ReadonlyMap<string, Uint8Array>;

/** The files of an example application that the command line tool ships. */
export async function loadDemoFiles(application: DemoApplication): Promise<DemoFiles> {
  // `src/demo` and `dist/demo` are equally far from `assets`.
  const folder = fileURLToPath(new URL(`../../assets/${application}/`, import.meta.url));
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(folder.length).replaceAll('\\', '/').replace(/^\//, ''))
    .sort();
  const files = new Map<string, Uint8Array>();
  for (const path of paths) files.set(path, new Uint8Array(await readFile(folder + path)));
  return files;
}
