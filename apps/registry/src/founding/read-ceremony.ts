import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import {
  type CeremonyRole,
  type CeremonySignatures,
  parseCeremonySignatures,
  parsePublicKeyPem,
  type TufKey,
  tufKeyFromSpki,
} from '@margo-trust/tuf';
import { parsePem, type PemLabel } from '@margo-trust/x509';
import type { Authority, AuthorityRole } from '../certificates/certificate.reader.ts';
import { subjectOf } from '../certificates/create-authorities.ts';
import { judgeAuthority } from '../certificates/judge-authority.ts';
import { plainHttp } from '../certificates/publication-address.ts';
import type { Config } from '../config.ts';
import { type GivenCrl, readGivenCrl } from '../revocation/keep-crls.ts';
import { StartError } from '../start-error.ts';
import { ROOT_SLOTS, TARGETS_SLOTS } from '../trust-root/perform-ceremony.ts';

/** The plan, beside what it was made from. */
export const PLAN_FILE = 'founding.json';
const SIGNATURE_FILE = /^founding\..+\.signature\.json$/;
const MAX_BYTES = 8 << 20;

/** What the steps of the ceremony have left in one directory: nothing in it is secret. */
export interface CeremonyFiles {
  readonly authorities: readonly Authority[];
  readonly crls: readonly GivenCrl[];
  readonly offline: Readonly<Record<CeremonyRole, readonly TufKey[]>>;
}

/** In the order in which they are judged; the second root may be missing. */
const AUTHORITIES: readonly { readonly file: string; readonly role: AuthorityRole }[] = [
  { file: 'root', role: 'root' },
  { file: 'root-2', role: 'root' },
  { file: 'issuing-1', role: 'issuing' },
  { file: 'tsa-ca', role: 'tsa-ca' },
  { file: 'tsa', role: 'tsa' },
];

/**
 * Reads certificates, the roots' CRLs and the public keys of the offline roles, as of `at`. Throws StartError, or AuthorityFault
 * `authority/unfit`, when something is missing or would not do for this registry.
 */
export function readCeremony(directory: string, { domain, publicUrl }: Config, at: Date): CeremonyFiles {
  const base = plainHttp(publicUrl);
  const [authorities, crls]: [Authority[], GivenCrl[]] = [[], []];
  for (const { file, role } of AUTHORITIES) {
    if (file === 'root-2' && !existsSync(join(directory, 'root-2.crt'))) continue;
    const der = readPem(directory, `${file}.crt`, 'CERTIFICATE');
    const { name, certificate } = judgeAuthority(der, role, { authorities, at, urlOf: (path) => `${base}${path}` });
    const { organization } = subjectOf(domain, '');
    if (certificate.subject.rdns.flat().find(({ oid }) => oid === ORGANIZATION)?.value !== organization) {
      throw new StartError(`${file}.crt is of ${certificate.subjectText}, and this is the registry of ${domain}.`);
    }
    const state = name === 'root-2' ? 'standby' : 'active';
    authorities.push({ name, role, der, certificate, createdAt: at, state, since: at });
    if (role === 'root') crls.push(readGivenCrl(name, readPem(directory, `${name}.crl`, 'X509 CRL'), certificate, at));
  }
  const keysOf = (slots: readonly string[]) => slots.map((slot) => readPublicKey(directory, `${slot}.pub`));
  return { authorities, crls, offline: { root: keysOf(ROOT_SLOTS), targets: keysOf(TARGETS_SLOTS) } };
}

/** What keyholders have signed so far. Throws StartError or TufFault. */
export function readSignatures(directory: string): CeremonySignatures[] {
  const names = readdirSync(directory).filter((name) => SIGNATURE_FILE.test(name));
  return names.sort().map((name) => parseCeremonySignatures(readBytes(directory, name)));
}

/** Throws StartError when there is none, or a large one. */
export function readBytes(directory: string, name: string): Uint8Array {
  const path = join(directory, name);
  if (!existsSync(path)) throw new StartError(`${path} is missing.`);
  if (statSync(path).size > MAX_BYTES) throw new StartError(`${path} is longer than ${MAX_BYTES} bytes.`);
  return new Uint8Array(readFileSync(path));
}

function readPublicKey(directory: string, name: string): TufKey {
  return reading(name, () => {
    const key = tufKeyFromSpki(parsePublicKeyPem(parseUtf8(readBytes(directory, name))));
    if (key.keytype !== 'ed25519') throw new StartError(`${name} must be an Ed25519 key.`);
    return key;
  });
}

function readPem(directory: string, name: string, label: PemLabel): Uint8Array {
  return reading(name, () => {
    const [der, ...more] = parsePem(label, parseUtf8(readBytes(directory, name)));
    if (der === undefined || more.length > 0) throw new StartError(`${name} must hold one ${label}, in PEM.`);
    return der;
  });
}

/** Says which file it was. */
function reading<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new StartError(`${name}: ${cause.message} (${cause.code})`, { cause });
  }
}

const ORGANIZATION = '2.5.4.10';
