import type { ValueTransformer } from 'typeorm';

/** node-postgres gives `bigint` columns as text, because they may not fit a number. */
export const bigintColumn: ValueTransformer = {
  to: (value: bigint | null | undefined) => value?.toString() ?? value,
  from: (value: string | null) => (value === null ? null : BigInt(value)),
};

/** `bytea` as plain bytes: a Buffer must not leak into the cores, and its `slice` shares memory. */
export const bytesColumn: ValueTransformer = {
  to: (value: Uint8Array | null | undefined) => (value == null ? value : Buffer.from(value)),
  from: (value: Buffer | null) => (value === null ? null : Uint8Array.from(value)),
};
