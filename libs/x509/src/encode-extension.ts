import { encodeUtf8 } from '@margo-trust/bytes';
import { sha256, type PublicKey } from '@margo-trust/crypto';
import { openDer, readBitStringBytes, readDer } from './der/read.ts';
import { TAG } from './der/tag.ts';
import { derAscii } from './der/text.ts';
import {
  derBoolean,
  derExplicit,
  derImplicit,
  derInteger,
  derNamedBits,
  derNull,
  derOctetString,
  derOid,
  derPrimitive,
  derSequence,
} from './der/write.ts';
import { KEY_USAGES } from './extension-values.ts';
import { X509Fault } from './fault.ts';
import type { Certificate, Extension, KeyUsage } from './model.ts';
import { OID } from './oid.ts';

/** Critical basicConstraints of a CA; no `pathLen` means any (RFC 5280 §4.2.1.9). */
export function caConstraints(pathLen?: number): Extension {
  const value = derSequence(derBoolean(true), ...(pathLen === undefined ? [] : [derInteger(pathLen)]));
  return { oid: OID.basicConstraints, critical: true, value };
}

/** Critical basicConstraints that say "no CA": an empty SEQUENCE, FALSE being the default. */
export function endEntityConstraints(): Extension {
  return { oid: OID.basicConstraints, critical: true, value: derSequence() };
}

export function keyUsage(...usages: readonly KeyUsage[]): Extension {
  return {
    oid: OID.keyUsage,
    critical: true,
    value: derNamedBits(usages.map((usage) => KEY_USAGES.indexOf(usage))),
  };
}

export function extendedKeyUsage(purpose: string, critical: boolean): Extension {
  return { oid: OID.extendedKeyUsage, critical, value: derSequence(derOid(purpose)) };
}

/** The first 160 bits of SHA-256 over the key (RFC 7093 §2, method 1). */
export function subjectKeyIdentifier(key: PublicKey): Extension {
  const cursor = openDer(readDer(key.spki, TAG.sequence));
  cursor.next(TAG.sequence);
  const bits = readBitStringBytes(cursor.next(TAG.bitString));
  return { oid: OID.subjectKeyIdentifier, critical: false, value: derOctetString(sha256(bits).slice(0, 20)) };
}

export function authorityKeyIdentifier({ ski }: Certificate): Extension {
  if (!ski) throw new X509Fault('x509/invalid-spec', 'The issuing certificate has no subject key identifier.');
  return {
    oid: OID.authorityKeyIdentifier,
    critical: false,
    value: derSequence(derImplicit(0, derOctetString(ski))),
  };
}

export function subjectAltUri(uri: string): Extension {
  return { oid: OID.subjectAltName, critical: false, value: derSequence(uriName(uri)) };
}

export function crlDistributionPoint(url: string): Extension {
  const point = derSequence(distributionPointName(plainHttp(url)));
  return { oid: OID.crlDistributionPoints, critical: false, value: derSequence(point) };
}

/** Critical: the leaves of the shard at `url`, or without one all CAs of the issuer (RFC 5280 §5.2.5). */
export function issuingDistributionPoint(url?: string): Extension {
  const onlyUserCerts = derImplicit(1, derBoolean(true));
  const onlyCaCerts = derImplicit(2, derBoolean(true));
  return {
    oid: OID.issuingDistributionPoint,
    critical: true,
    value:
      url === undefined ? derSequence(onlyCaCerts) : derSequence(distributionPointName(plainHttp(url)), onlyUserCerts),
  };
}

export function caIssuers(url: string): Extension {
  const access = derSequence(derOid(OID.caIssuers), uriName(plainHttp(url)));
  return { oid: OID.authorityInfoAccess, critical: false, value: derSequence(access) };
}

export function certificatePolicy(policy: string): Extension {
  return { oid: OID.certificatePolicies, critical: false, value: derSequence(derSequence(derOid(policy))) };
}

/** RFC 9608 §2. */
export function noRevocationAvailable(): Extension {
  return { oid: OID.noRevAvail, critical: false, value: derNull() };
}

/**
 * Critical nameConstraints of the issuing CA (RFC 5280 §4.2.1.10): no DNS name, no address, and no mailbox but those of
 * a domain that never exists, since implementations disagree on how to exclude all mailboxes. URIs are left alone:
 * sigstore-python refuses chains that constrain them.
 */
export function onlyUriNames(): Extension {
  const permitted = derSequence(derSequence(derImplicit(1, derAscii(TAG.ia5, 'none.invalid'))));
  const excluded = derSequence(
    derSequence(derImplicit(2, derAscii(TAG.ia5, ''))),
    derSequence(derImplicit(7, derOctetString(new Uint8Array(8)))),
    derSequence(derImplicit(7, derOctetString(new Uint8Array(32)))),
  );
  return {
    oid: OID.nameConstraints,
    critical: true,
    value: derSequence(derImplicit(0, permitted), derImplicit(1, excluded)),
  };
}

/** Who vouches for the identity, for Sigstore clients: cosign reads the second form, sigstore-python the first. */
export function sigstoreIssuer(issuer: string): Extension[] {
  const text = encodeUtf8(issuer);
  return [
    { oid: OID.sigstoreIssuerV1, critical: false, value: text },
    { oid: OID.sigstoreIssuerV2, critical: false, value: derPrimitive(TAG.utf8, text) },
  ];
}

/** A text in an extension of its own, as Fulcio encodes what it says of builds: UTF8String, never critical. */
export function textExtension(oid: string, text: string): Extension {
  return { oid, critical: false, value: derPrimitive(TAG.utf8, encodeUtf8(text)) };
}

function distributionPointName(url: string): Uint8Array {
  return derExplicit(0, derImplicit(0, derSequence(uriName(url))));
}

function uriName(uri: string): Uint8Array {
  return derImplicit(6, derAscii(TAG.ia5, uri));
}

/** Over https a client would need a valid certificate to learn that a certificate is invalid; Notation refuses it. */
function plainHttp(url: string): string {
  if (!/^http:\/\/[!-~]+$/.test(url)) {
    throw new X509Fault('x509/invalid-spec', 'Certificates and CRLs are published under plain http:// URLs.');
  }
  return url;
}
