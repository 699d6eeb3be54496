import { areEqualBytes } from '@margo-trust/bytes';
import type { PublicKey } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import {
  type Certificate,
  findExtension,
  OID,
  parseCertificate,
  parsePem,
  STRENGTH,
  verifyPath,
} from '@margo-trust/x509';
import { CertificateFault } from './certificate.fault.ts';

/** What a device's maker vouches for about a key. */
export interface Attestation {
  readonly device: 'yubikey-piv';
  /** SHA-256 of the attestation certificate, hex. */
  readonly fingerprint: string;
  /** `<major>.<minor>.<patch>` */
  readonly firmware: string;
  readonly pinPolicy: 'never' | 'once' | 'always';
  readonly touchPolicy: 'never' | 'always' | 'cached';
}

/**
 * Verifies that a key was made in hardware and cannot leave it, by the word of one of the makers in `roots` (DER). `pem` comes
 * from the applicant: the attestation certificate of the key, and the intermediate ones of the device.
 *
 * Read is the attestation of YubiKeys (PIV, "Attestation certificate" in Yubico's PIV introduction), which PKCS #11 shows as a
 * certificate object beside the key. The device signs one for keys that it has made itself only, never for imported ones, with
 * a key of its own that its maker has certified. Everything else is `certificate/attestation-refused`: what cannot be verified
 * is not in hardware.
 *
 * It does not say who holds the device, nor that nobody has opened it (CVE-2024-45678, firmware before 5.7).
 */
export function readAttestation(pem: string, key: PublicKey, roots: readonly Uint8Array[], at: Date): Attestation {
  if (roots.length === 0) throw refused('This registry knows no maker of hardware for keys.');
  const leaf = verifyChain(pem, roots, at);
  if (!areEqualBytes(leaf.spki, key.spki)) throw refused('It is about another key than the one in the request.');
  const name = leaf.subject.rdns.flat().find(({ oid }) => oid === OID.commonName)?.value ?? '';
  if (!/^YubiKey PIV Attestation (?:9[acde]|8[2-9a-f]|9[0-5])$/.test(name) || leaf.isCa) {
    throw refused('It is not the attestation of a key in a PIV slot.');
  }
  const [major, minor, patch] = octets(leaf, FIRMWARE, 3);
  const [pin, touch] = octets(leaf, POLICY, 2);
  const [pinPolicy, touchPolicy] = [PIN_POLICIES[pin ?? 0], TOUCH_POLICIES[touch ?? 0]];
  if (pinPolicy === undefined || touchPolicy === undefined) throw refused('It states a policy that is not known here.');
  return {
    ...{ device: 'yubikey-piv', fingerprint: leaf.fingerprint },
    ...{ firmware: `${major}.${minor}.${patch}`, pinPolicy, touchPolicy },
  };
}

/** Devices are born with RSA of 2048 bits, and live longer than that is recommended. */
function verifyChain(pem: string, roots: readonly Uint8Array[], at: Date): Certificate {
  try {
    const [leaf, ...intermediates] = parsePem('CERTIFICATE', pem);
    if (leaf === undefined || intermediates.length > MAX_INTERMEDIATES) throw refused('It has too many certificates.');
    verifyPath({ leaf, intermediates, anchors: roots, at, strength: STRENGTH['device-idevid'] });
    return parseCertificate(leaf);
  } catch (cause) {
    if (!(cause instanceof Fault) || cause instanceof CertificateFault) throw cause;
    throw refused(`It leads to no maker that this registry knows. ${cause.message}`, cause);
  }
}

/** The octets of an extension that holds nothing but them. */
function octets(leaf: Certificate, oid: string, count: number): Uint8Array {
  const value = findExtension(leaf.extensions, oid)?.value;
  if (value?.length !== count) throw refused('It lacks what the attestation of a PIV key states.');
  return value;
}

function refused(why: string, cause?: unknown): CertificateFault {
  return new CertificateFault('certificate/attestation-refused', `The attestation is refused. ${why}`, { cause });
}

/** More than Yubico's longest chain has. */
const MAX_INTERMEDIATES = 4;

/** Below 1.3.6.1.4.1.41482.3, Yubico's PIV application. */
const FIRMWARE = '1.3.6.1.4.1.41482.3.3';
const POLICY = '1.3.6.1.4.1.41482.3.8';

/** By the numbers of Yubico's PIV extensions; 0 stands for the default, which an attestation never states. */
const PIN_POLICIES = [undefined, 'never', 'once', 'always'] as const;
const TOUCH_POLICIES = [undefined, 'never', 'always', 'cached'] as const;
