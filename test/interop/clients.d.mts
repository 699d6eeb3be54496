export const CLIENTS: readonly { readonly name: string; readonly version: string }[];
export const PACKAGES: readonly { readonly program: string; readonly package: string }[];
export function versions(): Record<string, string>;
export function programs(): Record<string, string>;
export const lockFile: string;
