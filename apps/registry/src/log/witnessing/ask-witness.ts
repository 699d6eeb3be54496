import { concatBytes } from '@margo-trust/bytes';
import {
  encodeAddCheckpoint,
  parseSignatureLines,
  parseSizeAnswer,
  type AddCheckpoint,
  type NoteSignature,
} from '@margo-trust/tlog';

/** What a witness says to a checkpoint: its cosignatures, or the size of the tree that it cosigned last. */
export type WitnessAnswer = { readonly signatures: readonly NoteSignature[] } | { readonly cosignedSize: bigint };

/** A witness that did not answer, or refused. The message is for the operator. */
export class WitnessError extends Error {
  override name = 'WitnessError';

  constructor(
    message: string,
    /** HTTP status; undefined when there was no answer. */
    readonly status?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Asks for cosignatures (C2SP tlog-witness, "add-checkpoint"). Throws WitnessError, TlogFault for an answer that is none. */
export async function askToCosign(url: string, request: AddCheckpoint, signal: AbortSignal): Promise<WitnessAnswer> {
  const body = Buffer.from(encodeAddCheckpoint(request));
  const answer = await send(`${trim(url)}/add-checkpoint`, { method: 'POST', body, signal });
  if (answer.status === 200) return { signatures: parseSignatureLines(answer.body) };
  if (answer.status === 409) return { cosignedSize: parseSizeAnswer(answer.body) };
  throw new WitnessError(`refused with ${answer.status}`, answer.status);
}

/** The newest checkpoint that a witness shows to monitors; undefined if it shows none. Throws WitnessError. */
export async function findWitnessedCheckpoint(
  url: string,
  originHash: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const answer = await send(`${trim(url)}/${originHash}/checkpoint`, { method: 'GET', signal });
  return answer.status === 200 ? answer.body : undefined;
}

/** Only addresses of the operator's own policy are asked; a redirect elsewhere is not followed. */
async function send(url: string, request: RequestInit): Promise<{ status: number; body: Uint8Array }> {
  try {
    const response = await fetch(url, { ...request, redirect: 'error' });
    return { status: response.status, body: await readWithin(response) };
  } catch (cause) {
    if (cause instanceof WitnessError) throw cause;
    const isLate = cause instanceof Error && /^(?:Abort|Timeout)Error$/.test(cause.name);
    throw new WitnessError(isLate ? 'did not answer in time' : 'cannot be reached', undefined, { cause });
  }
}

async function readWithin(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new WitnessError(`answered more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return concatBytes(...chunks);
}

function trim(url: string): string {
  return url.replace(/\/+$/, '');
}

const MAX_ANSWER_BYTES = 512 << 10;
