/** Labels of header parameters (RFC 9052 §3.1). */
export const LABEL = { algorithm: 1, critical: 2, contentType: 3, kid: 4 } as const;
