export interface ComposeArchive {
  readonly directory: string;
  readonly compose: Uint8Array;
  readonly findings: readonly string[];
}
export interface ChartArchive {
  readonly directory: string;
  readonly chart: Uint8Array;
  readonly values?: Uint8Array;
  readonly findings: readonly string[];
}
export declare function parseComposeArchive(tar: Uint8Array): ComposeArchive;
export declare function parseChartArchive(tar: Uint8Array): ChartArchive;
