import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificate } from '@margo-trust/x509';
import { CliFault } from '../fault.ts';
import { writeNew } from '../files.ts';
import { encodeOutcome, factLines, type Outcome, timeText } from '../outcome.ts';
import type { Session } from '../session.ts';
import { VERSION } from '../version.ts';

/** One step of a ceremony, ready to be done. */
export interface Step {
  /** `init`, `issue-ca` …: the transcript is `<name>.transcript.json`. */
  readonly act: string;
  readonly name: string;
  readonly out: string;
  /** What will be signed and with what, for those in the room to read before they agree. */
  readonly facts: Readonly<Record<string, string | number | undefined>>;
  /** Names of the files that come out, below `out`. */
  readonly outputs: readonly string[];
  /** Makes them. Called once, after everything has been checked. */
  readonly perform: () => Promise<Performed>;
}

export interface Performed {
  /** By name, as in `outputs`. */
  readonly files: Readonly<Record<string, string>>;
  /** What was signed, for the transcript. */
  readonly signed: readonly object[];
  /** Where the keys are, and the SHA-256 of their public halves. */
  readonly keys: readonly object[];
}

/** Options that every step takes. */
export interface StepOptions {
  readonly out: string;
  readonly present?: readonly string[];
  readonly yes?: boolean;
}

/**
 * Shows a step, and does it when `--yes` says that those present have agreed. A file that exists is never written over, and that is known
 * before anything is signed: a signature that was made cannot be taken back.
 */
export async function takeStep({ io }: Session, step: Step, { present = [], yes }: StepOptions): Promise<Outcome> {
  const names = [...step.outputs, `${step.name}.transcript.json`];
  for (const path of names.map((name) => join(step.out, name))) {
    if (!existsSync(path)) continue;
    throw new CliFault('cli/file-exists', `${path} exists already.`, 'Nothing was signed. Name another directory.');
  }
  const preview = factLines(step.facts);
  if (!yes) {
    const lines = [...preview, '', 'Nothing was signed. If all present agree, run it again with --yes.'];
    return { data: { preview: step.facts, signed: false }, lines };
  }
  if (present.length === 0) {
    const advice = 'Name everybody who is in the room: --present "Ada Lovelace" --present "Grace Hopper".';
    throw new CliFault('cli/bad-usage', 'A ceremony has witnesses.', advice);
  }

  const { files, signed, keys } = await step.perform();
  const written = Object.entries(files).map(([name, text]) => ({ name, path: join(step.out, name), text }));
  for (const { path, text } of written) await writeNew(path, text);
  const transcript = {
    ...{ act: step.act, at: io.now(), present, tool: `margo-trust ${VERSION}`, facts: step.facts, keys, signed },
    files: written.map(({ name, text }) => ({ name, sha256: sha256(text) })),
  };
  const path = join(step.out, `${step.name}.transcript.json`);
  await writeNew(path, encodeOutcome(true, transcript));
  const paths = [...written.map((file) => file.path), path];
  return {
    data: { ...transcript, transcript: path, signed: true, certificates: signed },
    lines: [...preview, '', ...paths.map((file) => `written: ${file}`)],
  };
}

/** What a transcript says about a certificate. */
export function describeCertificate(certificate: Certificate): object {
  const { subjectText, issuerText, serialHex, notBefore, notAfter, fingerprint, spki } = certificate;
  return {
    ...{ kind: 'certificate', subject: subjectText, issuer: issuerText, serial: serialHex },
    ...{ notBefore: timeText(notBefore), notAfter: timeText(notAfter), sha256: fingerprint, spkiSha256: sha256(spki) },
  };
}

export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
