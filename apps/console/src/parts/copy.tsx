import { useEffect, useState } from 'preact/hooks';
import { shortened } from '../words.ts';

/** Something too long to read: its two ends, and a button that copies the whole. */
export function Opaque({ value, label }: { value: string; label: string }) {
  return (
    <span class="opaque">
      <code title={value}>{shortened(value, 14, 8)}</code>
      <CopyButton value={value} label={label} />
    </span>
  );
}

export function CopyButton({ value, label }: { value: string; label: string }) {
  const [told, tell] = useState('');
  useEffect(() => {
    if (told === '') return undefined;
    const timer = setTimeout(() => tell(''), 2000);
    return () => clearTimeout(timer);
  }, [told]);
  return (
    <>
      <button
        type="button"
        class="copy"
        aria-label={`Copy ${label}`}
        onClick={() => void copyText(value).then((copied) => tell(copied ? 'Copied' : 'Copying is not allowed here'))}
      >
        <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
          <path
            d={told === 'Copied' ? 'M3 8.5 6.5 12 13 4.5' : 'M5.5 5.5h7v7h-7zM10.5 5.5v-2h-7v7h2'}
            fill="none"
            stroke="currentColor"
            stroke-width="1.5"
          />
        </svg>
      </button>
      <span class="told" role="status">
        {told}
      </span>
    </>
  );
}

/** The clipboard needs a secure context; a selection does for plain-HTTP installations. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'unseen';
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    return copied;
  }
}
