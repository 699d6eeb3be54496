import { areEqualBytes, parseUtf8 } from '@margo-trust/bytes';
import { encodeVerifierKey } from '@margo-trust/tlog';
import { parseTrustRootDocument, type TrustRootDocument } from '@margo-trust/verifier';
import { type Certificate, parseCertificate, parsePem } from '@margo-trust/x509';
import { sha256 } from './transcript.ts';
import { unfit } from './sign.ts';

const DOCUMENT = 'margo.trust-root.v1.json';

/**
 * What the files of a plan make devices trust, read from the files themselves. Refuses a certificate that the trust root document does not
 * name: it would be trusted by tools that read files, and nobody would have been shown it.
 */
export function describePlannedFiles(files: Readonly<Record<string, Uint8Array>>): Record<string, string> {
  const { [DOCUMENT]: bytes, ...others } = files;
  if (bytes === undefined) throw unfit(`The plan has no ${DOCUMENT}.`);
  const document = parseTrustRootDocument(bytes);
  const named = certificatesOf(document);
  const shown: Record<string, string> = { registry: document.registry, domain: document.domain };
  for (const [name, certificate] of named)
    shown[name] = `${certificate.subjectText}, SHA-256 ${certificate.fingerprint}`;
  for (const [i, { origin, checkpointKey }] of document.logs.entries()) {
    shown[`log ${i + 1}`] = encodeVerifierKey(origin, checkpointKey.publicKey, checkpointKey.type);
  }
  shown[`file ${DOCUMENT}`] = `SHA-256 ${sha256(bytes)}`;
  for (const [name, body] of Object.entries(others)) {
    if (/\.(pem|crt)$/.test(name)) refuseUnnamed(name, body, named);
    else shown[`file ${name}`] = `SHA-256 ${sha256(body)}`;
  }
  return shown;
}

function certificatesOf({ anchors, intermediates, timestampAnchors }: TrustRootDocument): [string, Certificate][] {
  return [
    ...anchors.map((anchor) => ['root', anchor.certificate] as const),
    ...intermediates.map((der) => ['issuing CA', der] as const),
    ...timestampAnchors.flatMap(({ certificate, authority }) => [
      ['time-stamping CA', certificate] as const,
      ...(authority ? [['time-stamping authority', authority] as const] : []),
    ]),
  ].map(([what, der], i, all) => {
    const number = all.slice(0, i + 1).filter(([other]) => other === what).length;
    return [`certificate ${what} ${number}`, parseCertificate(der)];
  });
}

function refuseUnnamed(name: string, body: Uint8Array, named: readonly [string, Certificate][]): void {
  for (const der of parsePem('CERTIFICATE', parseUtf8(body))) {
    if (named.some(([, known]) => areEqualBytes(known.der, der))) continue;
    throw unfit(`${name} holds a certificate that ${DOCUMENT} does not name.`);
  }
}
