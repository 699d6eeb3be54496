import type { ComponentChildren } from 'preact';

/** Holds the place of something that is on its way, in about its size. */
export function Waiting({ what, lines = 3 }: { what: string; lines?: number }) {
  return (
    <div class="waiting" role="status">
      <span class="unseen">Loading {what}…</span>
      {Array.from({ length: lines }, (_, n) => (
        <span class="waiting-line" key={n} aria-hidden="true" />
      ))}
    </div>
  );
}

/** What went wrong and what to do. */
export function Failed({ title, message, children }: { title: string; message: string; children?: ComponentChildren }) {
  return (
    <div class="notice" role="alert">
      <p class="notice-title">{title}</p>
      <p>{message}</p>
      {children ?? (
        <button type="button" onClick={() => location.reload()}>
          Try again
        </button>
      )}
    </div>
  );
}
