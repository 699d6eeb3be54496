/** A start that cannot go on for a reason the operator can mend. The message says how; no stack is worth printing. */
export class StartError extends Error {
  override name = 'StartError';
}
