export interface ImageName {
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}
export declare function parseImageName(text: string): ImageName;
export declare function encodeImageName(name: ImageName): string;
