import { agoWords, dateWords } from '../words.ts';

/** How long ago, with the exact time for whoever points at it and for machines. */
export function Age({ at, now }: { at: Date; now: Date }) {
  return (
    <time dateTime={at.toISOString()} title={dateWords(at)}>
      {agoWords(at, now)}
    </time>
  );
}
