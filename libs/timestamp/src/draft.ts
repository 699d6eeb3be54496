import { parseHex } from '@margo-trust/bytes';
import { sha256, type SignatureAlgorithm } from '@margo-trust/crypto';
import {
  certificateSignatureAlgorithm,
  derExplicit,
  derImplicit,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derSetOf,
  encodeSignatureAlgorithm,
  encodeSignatureValue,
  type Certificate,
} from '@margo-trust/x509';
import { digest, encodeHash, type TimestampHash } from './hash.ts';
import { CMS } from './oid.ts';
import { encodeTstInfo, type TstInfo } from './tst-info.ts';

export interface TokenSpec extends TstInfo {
  readonly tsaCertificate: Certificate;
  /** As the request's `certReq` says (RFC 3161 §2.4.1). */
  readonly includeCertificate: boolean;
}

export interface TokenDraft {
  readonly algorithm: SignatureAlgorithm;
  /** What the authority's key signs with `algorithm`: the signed attributes as a DER SET. */
  readonly toBeSigned: Uint8Array;
  /** The TimeStampToken. `signature` of ECDSA is raw r‖s, as signers give it; it is not verified here. */
  finish(signature: Uint8Array): Uint8Array;
}

/**
 * A TimeStampToken short of its signature (RFC 3161 §2.4.2, RFC 5652 §5): signed attributes contentType, messageDigest and
 * signingCertificateV2 (RFC 5816), and no certificate but the authority's own.
 *
 * `genTime` must be whole seconds. Nothing is checked against the certificate: that `lintTsa` is happy with it and that it is
 * valid at `genTime` is for the caller to see to.
 */
export function draftTimestampToken(spec: TokenSpec): TokenDraft {
  const algorithm = certificateSignatureAlgorithm(spec.tsaCertificate.publicKey);
  const hash = SIGNED_WITH[algorithm];
  const content = encodeTstInfo(spec);
  const attributes = derSetOf([
    encodeAttribute(CMS.contentType, derOid(CMS.tstInfo)),
    encodeAttribute(CMS.messageDigest, derOctetString(digest(hash, content))),
    encodeAttribute(CMS.signingCertificateV2, encodeSigningCertificate(spec.tsaCertificate)),
  ]);
  return {
    algorithm,
    toBeSigned: attributes,
    finish: (signature) => {
      const signerInfo = derSequence(
        derInteger(1),
        derSequence(spec.tsaCertificate.issuer.der, derInteger(parseHex(spec.tsaCertificate.serialHex))),
        encodeHash(hash),
        derImplicit(0, attributes),
        encodeSignatureAlgorithm(algorithm),
        derOctetString(encodeSignatureValue(algorithm, signature)),
      );
      const signedData = derSequence(
        derInteger(3),
        derSetOf([encodeHash(hash)]),
        derSequence(derOid(CMS.tstInfo), derExplicit(0, derOctetString(content))),
        ...(spec.includeCertificate ? [derImplicit(0, derSetOf([spec.tsaCertificate.der]))] : []),
        derSetOf([signerInfo]),
      );
      return derSequence(derOid(CMS.signedData), derExplicit(0, signedData));
    },
  };
}

function encodeAttribute(oid: string, value: Uint8Array): Uint8Array {
  return derSequence(derOid(oid), derSetOf([value]));
}

/** ESSCertIDv2 with its default digest, SHA-256, and without the optional issuer (RFC 5035 §4). */
function encodeSigningCertificate({ der }: Certificate): Uint8Array {
  return derSequence(derSequence(derSequence(derOctetString(sha256(der)))));
}

/** The digest inside each signature algorithm; Ed25519 goes with SHA-512 (RFC 8419 §3). */
const SIGNED_WITH: Readonly<Record<SignatureAlgorithm, TimestampHash>> = {
  ES256: 'SHA-256',
  ES384: 'SHA-384',
  ES512: 'SHA-512',
  PS256: 'SHA-256',
  PS384: 'SHA-384',
  PS512: 'SHA-512',
  RS256: 'SHA-256',
  RS384: 'SHA-384',
  RS512: 'SHA-512',
  Ed25519: 'SHA-512',
};
