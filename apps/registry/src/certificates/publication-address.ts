import type { CertificateReader } from './certificate.reader.ts';

/** Notation fetches CRLs over plain HTTP only. An https registry answers /crl and /ca on port 80 as well. */
export function plainHttp(publicUrl: string): string {
  const { protocol, host, hostname } = new URL(publicUrl);
  return `http://${protocol === 'http:' ? host : hostname}`;
}

/**
 * What it means that the registry is no longer where its certificates say, as a warning to the operator; undefined when it is
 * there, or has not been founded.
 */
export async function findMovedAddress(reader: CertificateReader, publicUrl: string): Promise<string | undefined> {
  if ((await reader.authorities()).length === 0) return undefined;
  const named = await reader.publicationUrl('');
  if (named === plainHttp(publicUrl)) return undefined;
  return (
    `Certificates of this registry name ${named} for CRLs, since it was founded there; now it is at ${publicUrl}. Unless the ` +
    'old address answers as well, notation refuses every signature: set PORT or PUBLIC_URL as they were, or begin anew with ' +
    'another DATA_DIR or DATABASE_URL.'
  );
}
