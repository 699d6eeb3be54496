import type { KeyObject } from 'node:crypto';

export interface ReadReceipt {
  readonly size: number;
  readonly index: number;
  readonly root: Buffer;
}

export function readKeys(keySet: Uint8Array): Map<string, KeyObject>;
export function checkReceipt(receipt: Uint8Array, entry: Uint8Array, keys: ReadonlyMap<string, KeyObject>): ReadReceipt;
export function checkCheckpoint(note: Uint8Array, verifierKey: string): { size: number; root: Buffer };
export function leafHash(entry: Uint8Array): Buffer;
export function bundlePath(first: number, size: number): string;
export function readBundle(bundle: Buffer): Buffer[];

export class Tree {
  readonly size: number;
  append(leaf: Buffer): void;
  leaf(index: number): Buffer;
  root(size: number): Buffer;
}
