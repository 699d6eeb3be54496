/** Image references that a component names, and what could not be resolved. */
export interface FoundImages {
  /** Full references (`docker.io/library/redis:7`), each once, in order of appearance. */
  readonly images: readonly string[];
  readonly findings: readonly string[];
}
export declare function composeImages(composeYaml: Uint8Array): FoundImages;
export declare function chartImages(chartYaml: Uint8Array, valuesYaml?: Uint8Array): FoundImages;
