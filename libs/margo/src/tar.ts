export interface TarFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode?: number;
}
export interface TarEntry {
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'link' | 'other';
  readonly mode: number;
  readonly linkTarget?: string;
  readonly content: Uint8Array;
}
export declare function encodeTar(files: readonly TarFile[]): Uint8Array;
export declare function parseTar(tar: Uint8Array): TarEntry[];
