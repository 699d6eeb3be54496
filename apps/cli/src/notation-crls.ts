import { createHash } from 'node:crypto';
import { encodeBase64, parseUtf8 } from '@margo-trust/bytes';
import { download } from '@margo-trust/client';
import { Fault } from '@margo-trust/fault';
import type { TufSnapshot } from '@margo-trust/tuf';
import { type Certificate, type Crl, parseCertificate, parseCrl, parsePem, verifyCrl } from '@margo-trust/x509';
import { CliFault } from './fault.ts';

const LIMITS = { maxBytes: 16 << 20, timeoutSeconds: 30 };

/** No CA has more shards. */
const MAX_SHARDS = 1_024;

interface Options {
  /** Where the CRLs are fetched; what is fetched need not be believed. */
  readonly registry: string;
  readonly now: Date;
  progress(text: string): void;
}

/**
 * Files for the CRL cache of `notation`, by name: `crl/<SHA-256 of the URL that certificates name>`, as notation-go keeps them.
 * Of each CRL the long-lived twin is taken where there is one. Each is verified under its CA from the trust root.
 */
export async function collectNotationCrls(snapshot: TufSnapshot, options: Options): Promise<Map<string, string>> {
  const authorities = snapshot.targetNames.flatMap((target) => {
    const name = /^ca\.((?:root|issuing)[\w-]*)\.pem$/.exec(target)?.[1];
    return name === undefined ? [] : [{ name, certificate: readPem(snapshot.target(target)) }];
  });
  const certificates = authorities.map(({ certificate }) => certificate);
  const files = new Map<string, string>();
  for (const { name, certificate } of authorities) {
    options.progress(`fetching the CRLs of ${name}`);
    for (let shard = 0; shard < MAX_SHARDS; shard += 1) {
      const der = await fetchCrl(`${options.registry}/crl/${name}/${shard}`);
      if (der === undefined) break;
      const crl = readCrl(der, certificate, `${name}/${shard}`, options.now);
      files.set(
        `crl/${keyOf(urlOf(crl, certificate, certificates))}`,
        `${JSON.stringify({ baseCRL: encodeBase64(der) })}\n`,
      );
    }
  }
  if (files.size === 0) throw new CliFault('cli/not-found', 'The registry publishes no CRL.', 'Check its address.');
  return files;
}

async function fetchCrl(address: string): Promise<Uint8Array | undefined> {
  return (await download(new URL(`${address}.long.crl`), LIMITS)) ?? download(new URL(`${address}.crl`), LIMITS);
}

function readCrl(der: Uint8Array, issuer: Certificate, name: string, now: Date): Crl {
  try {
    const crl = parseCrl(der, LIMITS);
    verifyCrl(crl, issuer);
    if (crl.nextUpdate !== undefined && crl.nextUpdate > now) return crl;
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new CliFault('cli/unreadable', `The CRL ${name} is not to be used: ${cause.message}`, ADVICE, { cause });
  }
  throw new CliFault('cli/unreadable', `The CRL ${name} is no longer current.`, ADVICE);
}

const ADVICE = 'Tell the operator of the registry, and do not hand it on.';

/** Certificates and their CRL name the same URL; that of CAs names none, so the certificate is asked. */
function urlOf(crl: Crl, issuer: Certificate, certificates: readonly Certificate[]): string {
  const below = certificates.find(({ issuerText, crlUrls }) => issuerText === issuer.subjectText && crlUrls.length > 0);
  const url = crl.distributionPoint ?? below?.crlUrls[0];
  if (url === undefined) throw new CliFault('cli/unreadable', 'Nobody names the address of a CRL.', ADVICE);
  return url;
}

function keyOf(url: string): string {
  return createHash('sha256').update(url).digest('hex');
}

function readPem(pem: Uint8Array): Certificate {
  const [der] = parsePem('CERTIFICATE', parseUtf8(pem));
  if (der === undefined) throw new Error('The trust root has a CA without a certificate.');
  return parseCertificate(der);
}
