import { randomBytes } from 'node:crypto';
import type { StatementSigner } from '@margo-trust/client';
import { areEqualBytes, parseUtf8 } from '@margo-trust/bytes';
import { parsePublicKey, type PublicKey } from '@margo-trust/crypto';
import {
  assembleSigned,
  type Certificate,
  type CertificateSpec,
  encodeTbsCertificate,
  encodeTbsCrl,
  lintCrl,
  parseCertificate,
  parseCsr,
  parsePem,
  shapeSerial,
  verifyCsr,
} from '@margo-trust/x509';
import { CliFault } from '../fault.ts';
import { readInput } from '../files.ts';

/** Leaves are back-dated a little, and must not be older than their CA. */
const HEAD_START_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Who and how long, for one of the CA profiles of `libs/x509`. */
export function profileInput(options: {
  now: Date;
  years: number;
  organization: string;
  commonName: string;
  publicKey: PublicKey;
}) {
  const { now, years, organization, commonName, publicKey } = options;
  const start = Math.floor(now.getTime() / 1_000) * 1_000;
  const notAfter = new Date(start);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + years);
  return {
    serial: shapeSerial(randomBytes(16)),
    // XX stands for "no country" (CA/Browser Forum BR §7.1.2.2.2): a registry is where its domain is.
    subject: { country: 'XX', organization, commonName },
    ...{ notBefore: new Date(start - HEAD_START_MS), notAfter, publicKey },
  };
}

/** O has 64 characters, of which the last ones tell domains apart; as the registry writes its own. */
export function organizationOf(domain: string): string {
  return domain.length <= 64 ? domain : `…${domain.slice(-63)}`;
}

/** Encodes, lints with a key that vouches for nothing, signs, and lints again what was signed. */
export async function signLinted(
  spec: CertificateSpec,
  signer: StatementSigner,
  lint: (der: Uint8Array) => readonly string[],
): Promise<Certificate> {
  const tbs = encodeTbsCertificate(spec);
  const der = assembleSigned(tbs, spec.algorithm, await signer.sign(tbs));
  const findings = lint(der);
  if (findings.length > 0) throw unfit(`What was signed breaks the profile: ${findings.join('; ')}.`);
  return parseCertificate(der);
}

/** The root's CRL for CAs, with nothing on it; good for so many days. */
export async function signArl(
  issuer: Certificate,
  signer: StatementSigner,
  { now, days, number }: { now: Date; days: number; number: bigint },
): Promise<Uint8Array> {
  const thisUpdate = new Date(Math.floor(now.getTime() / 1_000) * 1_000);
  const nextUpdate = new Date(thisUpdate.getTime() + days * DAY_MS);
  const scope = { holds: 'cas' } as const;
  const tbs = encodeTbsCrl({ issuer, number, thisUpdate, nextUpdate, entries: [], scope });
  const der = assembleSigned(tbs, signer.algorithm, await signer.sign(tbs));
  const findings = lintCrl(der, { issuer, scope });
  if (findings.length > 0) throw unfit(`The CRL breaks the profile: ${findings.join('; ')}.`);
  return der;
}

/** The key of a request whose owner has proven to hold its private half. */
export function readCsrKey(pem: string): PublicKey {
  const [der = new Uint8Array()] = parsePem('CERTIFICATE REQUEST', pem);
  const csr = parseCsr(der);
  verifyCsr(csr);
  return csr.publicKey;
}

/** A certificate in PEM, or in DER as the registry publishes it. */
export async function readCertificateFile(path: string, what: string): Promise<Certificate> {
  const bytes = await readInput(path, what, 65_536);
  const [der = bytes] = bytes[0] === 0x30 ? [bytes] : parsePem('CERTIFICATE', parseUtf8(bytes));
  return parseCertificate(der);
}

/** Throws unless the key is the one that the certificate certifies. */
export function refuseOtherKey({ spki }: Certificate, signer: StatementSigner): void {
  if (!areEqualBytes(spki, signer.spki)) throw unfit('The key is not the one of the issuer’s certificate.');
}

export function publicKeyOf({ spki }: StatementSigner): PublicKey {
  return parsePublicKey(spki);
}

export function unfit(message: string): CliFault {
  return new CliFault('cli/ceremony-refused', message, 'Nothing was written. Find out why before you go on.');
}
