import { loadBytes } from '../api.ts';

/** Where the bytes to be checked come from. Whoever answers may lie: nothing from here is believed before a check. */
export interface Source {
  /** `path` below `/tuf/`. */
  tufFile(path: string): Promise<Uint8Array>;
  /** The newest signed note. */
  checkpoint(): Promise<Uint8Array>;
  /** `path` as C2SP tlog-tiles writes it: `tile/0/x001/234.p/5`. */
  tile(path: string): Promise<Uint8Array>;
}

export const registrySource: Source = {
  tufFile: (path) => loadBytes(`/tuf/${path}`),
  checkpoint: () => loadBytes('/log/checkpoint'),
  tile: (path) => loadBytes(`/log/${path}`),
};
