export function statementMaker(
  directory: string,
  options?: { readonly leafOnly?: boolean },
): () => { body: Buffer; entry: Buffer };
