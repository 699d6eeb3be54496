import type { ComponentChildren } from 'preact';
import { Opaque } from './copy.tsx';

export interface FactItem {
  label: string;
  value: ComponentChildren;
  isOpaque?: boolean;
}

/** Labels and values. Opaque values are shown by their ends and copied whole. */
export function Facts({ items }: { items: readonly FactItem[] }) {
  return (
    <dl class="facts">
      {items.map(({ label, value, isOpaque }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{isOpaque ? <Opaque value={String(value)} label={label} /> : value}</dd>
        </div>
      ))}
    </dl>
  );
}
