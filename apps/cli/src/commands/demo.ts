import { mkdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { OciLayout } from '@margo-trust/oci';
import type { Command } from 'commander';
import type { Run } from '../command.ts';
import { DEMO_APPLICATIONS, loadDemoFiles } from '../demo/load.ts';
import { packApplication } from '../demo/pack.ts';
import { findEarlierEnd, playStory } from '../demo/story.ts';
import { CliFault } from '../fault.ts';
import type { Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';
import { verdictOutcome } from '../verdict-outcome.ts';

export function addDemo(program: Command, run: Run): void {
  program
    .command('demo')
    .description('at a registry for development: play the whole story once, from an application to a verdict')
    .requiredOption('--out, --output <directory>', 'where its results go')
    .action(run(demo));
  program
    .command('example')
    .description('pack Margo’s example applications into a new image layout, to try things out with')
    .argument('<directory>', 'the layout')
    .action(run(example));
}

async function demo(session: Session, { output }: { output: string }): Promise<Outcome> {
  const directory = resolve(output);
  await mkdir(directory, { recursive: true }).catch((cause: unknown) => {
    throw new CliFault('cli/unwritable', `${directory} can’t be made.`, 'Name another directory.', { cause });
  });
  const tell = (line: string): void => session.printer.note(line);
  const story = { registryUrl: await session.registryUrl(), directory, now: () => session.io.now(), tell };
  const bundle = join(directory, 'evidence.bundle');
  const earlier = await findEarlierEnd(story);
  if (earlier) return verdictOutcome(bundle, earlier, [`The story has been played already; see ${directory}.`]);
  const { vendor, applications, verdict } = await playStory(story);
  const { data, ...outcome } = verdictOutcome(bundle, verdict);
  return { data: { ...data, directory, vendor: vendor.id, applications }, ...outcome };
}

async function example(_session: Session, directory: string): Promise<Outcome> {
  const isThere = await stat(directory).then(
    () => true,
    () => false,
  );
  if (isThere) throw new CliFault('cli/file-exists', `${directory} exists already.`, 'Name a new directory.');
  const layout = await OciLayout.create(directory);
  const packages: { package: string; id: string; digest: string }[] = [];
  for (const name of DEMO_APPLICATIONS) {
    const { id, version, package: descriptor } = await packApplication(layout, await loadDemoFiles(name));
    packages.push({ package: `${directory}:${version}`, id, digest: descriptor.digest });
  }
  return { data: { directory, packages }, lines: packages.map(({ package: name, id }) => `${name}  ${id}`) };
}
