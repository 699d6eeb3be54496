import { encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { parseYaml, type Yaml } from '@margo-trust/margo';
import { OpenpgpFault } from './fault.ts';
import { verifyCleartext, type OpenpgpSignature } from './signature.ts';

export interface HeldChart {
  /** As the provenance calls it: the file's name without a directory. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Verifies the provenance file of a Helm chart (Helm documentation, "Helm Provenance and Integrity"): a cleartext signature over
 * `Chart.yaml`, a line `...`, and the SHA-256 of files by their names, of which the chart at hand must be one.
 *
 * Faults as `verifyCleartext`, with openpgp/not-provenance, and with openpgp/other-file when the chart is not the one that was signed.
 */
export async function verifyProvenance(
  prov: Uint8Array,
  chart: HeldChart,
  keys: readonly Uint8Array[],
  now: Date,
): Promise<OpenpgpSignature> {
  const { text, ...signature } = await verifyCleartext(prov, keys, now);
  const expected = readDigest(text, chart.name);
  if (expected !== `sha256:${encodeHex(sha256(chart.bytes))}`) {
    throw new OpenpgpFault('openpgp/other-file', `${chart.name} is not the chart that was signed.`);
  }
  return signature;
}

function readDigest(text: string, name: string): string {
  const [, sums, ...others] = text.split('\n...\n');
  if (sums === undefined || others.length > 0) throw notProvenance('it names no files.');
  const files = get(readSums(sums), 'files');
  const digest = get(files, name);
  if (typeof digest !== 'string') throw new OpenpgpFault('openpgp/other-file', `It says nothing about ${name}.`);
  return digest;
}

function readSums(text: string): Yaml {
  try {
    return parseYaml(encodeUtf8(text));
  } catch (cause) {
    if (cause instanceof Fault) throw notProvenance(cause.message, cause);
    throw cause;
  }
}

function get(value: Yaml, name: string): Yaml {
  return value instanceof Map ? value.get(name) : undefined;
}

function notProvenance(why: string, cause?: unknown): OpenpgpFault {
  return new OpenpgpFault('openpgp/not-provenance', `It is no provenance of a Helm chart: ${why}`, { cause });
}
