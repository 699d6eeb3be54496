import type { BytesFault } from '@margo-trust/bytes';
import type { CborFault } from '@margo-trust/cbor';
import type { CoseFault } from '@margo-trust/cose';
import type { CryptoFault } from '@margo-trust/crypto';
import type { Fault } from '@margo-trust/fault';
import type { OpenpgpFault } from '@margo-trust/openpgp';
import type { AdmissionFault, AnchorFault, PolicyFault } from '@margo-trust/policy';
import type { SigstoreFault } from '@margo-trust/sigstore';
import type { StatementFault } from '@margo-trust/statement';
import type { X509Fault } from '@margo-trust/x509';
import type { CallerFault } from '../callers/caller.fault.ts';
import type { AnchorDecisionFault } from '../certificates/anchors/anchor.fault.ts';
import type { AuthorityFault } from '../certificates/authority.fault.ts';
import type { CertificateFault } from '../certificates/certificate.fault.ts';
import type { WorkloadFault } from '../certificates/workload/workload.fault.ts';
import type { DatabaseFault } from '../db/database.fault.ts';
import type { KeyFault } from '../keys/key.fault.ts';
import type { LogChangeFault, LogFault, PolicyDecisionFault, RegistrationFault } from '../log/log.fault.ts';
import type { NotificationFault } from '../notifications/notification.fault.ts';
import type { RevocationFault } from '../revocation/revocation.fault.ts';
import type { OpenpgpKeyFault } from '../vendors/openpgp/openpgp-key.fault.ts';
import type { VendorFault } from '../vendors/vendor.fault.ts';
import type { HttpFault } from './http.fault.ts';
import type { RateLimitFault } from './rate-limit.fault.ts';

/** How a code looks from outside. `title` is the same for every occurrence; `detail` is the fault's message. */
export interface ProblemKind {
  status: number;
  title: string;
  /** Present when the same request may succeed later. */
  retryAfterSeconds?: number;
}

/** The faults that can reach a caller. An area adds its own here, and the compiler asks for the rows below. */
type AnyFault =
  | HttpFault
  | RateLimitFault
  | CallerFault
  | DatabaseFault
  | KeyFault
  | BytesFault
  | VendorFault
  | AnchorDecisionFault
  | AnchorFault
  | OpenpgpKeyFault
  | OpenpgpFault
  | AuthorityFault
  | CertificateFault
  | WorkloadFault
  | RevocationFault
  | LogFault
  | RegistrationFault
  | NotificationFault
  | AdmissionFault
  | PolicyFault
  | LogChangeFault
  | PolicyDecisionFault
  | SigstoreFault
  | StatementFault
  | CborFault
  | CoseFault
  | CryptoFault
  | X509Fault;

export type FaultCode = CodeOf<AnyFault>;
type CodeOf<F> = F extends Fault<infer Code> ? Code : never;

/** Every code a caller can meet. A new code without a line here does not compile. */
export const PROBLEMS: Record<FaultCode, ProblemKind> = {
  'http/body-incomplete': { status: 400, title: 'Body ended early' },
  'http/body-too-large': { status: 413, title: 'Body too large' },
  'http/internal': { status: 500, title: 'Internal error' },
  'http/invalid-body': { status: 422, title: 'Invalid members in the body' },
  'http/invalid-query': { status: 400, title: 'Invalid query' },
  'http/malformed-request': { status: 400, title: 'Malformed request' },
  'http/method-not-allowed': { status: 405, title: 'Method not allowed' },
  'http/not-an-object': { status: 400, title: 'Not a JSON object' },
  'http/not-found': { status: 404, title: 'Not found' },
  'http/not-ready': { status: 503, title: 'Not ready', retryAfterSeconds: 1 },
  'http/rate-limited': { status: 429, title: 'Too many requests', retryAfterSeconds: 1 },
  'http/unsupported-media-type': { status: 415, title: 'Unsupported media type' },

  'caller/forbidden': { status: 403, title: 'Not allowed' },
  'caller/invalid-token': { status: 401, title: 'Access token refused' },
  'caller/issuer-unreachable': { status: 503, title: 'Sign-in is unreachable', retryAfterSeconds: 5 },
  'caller/unauthenticated': { status: 401, title: 'Sign in first' },

  'bytes/bad-base64': { status: 400, title: 'Malformed base64' },
  'bytes/bad-hex': { status: 400, title: 'Malformed hexadecimal' },
  'bytes/bad-json': { status: 400, title: 'Malformed JSON' },
  'bytes/bad-utf8': { status: 400, title: 'Malformed text' },
  'bytes/duplicate-key': { status: 400, title: 'Member named twice' },
  'bytes/lone-surrogate': { status: 400, title: 'Malformed text' },
  'bytes/too-deep': { status: 400, title: 'Nested too deeply' },
  'bytes/too-large': { status: 413, title: 'Body too large' },

  'openpgp/bad-signature': { status: 422, title: 'OpenPGP signature refused' },
  'openpgp/key-expired': { status: 422, title: 'OpenPGP key has expired' },
  'openpgp/key-not-found': { status: 404, title: 'No such OpenPGP key' },
  'openpgp/key-revoked': { status: 422, title: 'OpenPGP key is revoked' },
  'openpgp/key-taken': { status: 409, title: 'OpenPGP key is taken' },
  'openpgp/not-a-key': { status: 422, title: 'Not an OpenPGP key' },
  'openpgp/not-a-signature': { status: 422, title: 'Not an OpenPGP signature' },
  'openpgp/not-provenance': { status: 422, title: 'Not a provenance file' },
  'openpgp/other-file': { status: 422, title: 'Another file was signed' },
  'openpgp/private-key': { status: 422, title: 'Private key' },
  'openpgp/signature-expired': { status: 422, title: 'OpenPGP signature has expired' },
  'openpgp/too-large': { status: 422, title: 'Too large for OpenPGP' },
  'openpgp/too-many-keys': { status: 409, title: 'Too many OpenPGP keys' },
  'openpgp/unavailable': { status: 500, title: 'OpenPGP is not installed' },
  'openpgp/vendor-not-active': { status: 409, title: 'Vendor is not active' },
  'openpgp/weak-key': { status: 422, title: 'OpenPGP key is too weak' },
  'openpgp/weak-signature': { status: 422, title: 'OpenPGP signature is too weak' },
  'openpgp/wrong-key': { status: 422, title: 'Not a key of the vendor' },

  'vendor/already-approved': { status: 409, title: 'Already approved by you' },
  'vendor/claim-taken': { status: 409, title: 'Claim belongs to another vendor' },
  'vendor/not-found': { status: 404, title: 'No such vendor' },
  'vendor/own-organisation': { status: 403, title: 'Not for your own organisation' },
  'vendor/subject-taken': { status: 409, title: 'Name belongs to another vendor' },
  'vendor/wrong-status': { status: 409, title: 'Not possible in this status' },

  'certificate/attestation-refused': { status: 422, title: 'Not proven to be in hardware' },
  'anchor/already-approved': { status: 409, title: 'Already approved by you' },
  'anchor/malformed': { status: 422, title: 'Not a record of an anchor' },
  'anchor/not-found': { status: 404, title: 'No such anchor' },
  'anchor/outside-window': { status: 400, title: 'Rejected' },
  'anchor/own-organisation': { status: 403, title: 'Not for your own organisation' },
  'anchor/subject-mismatch': { status: 400, title: 'Rejected' },
  'anchor/too-many': { status: 409, title: 'Too many anchors' },
  'anchor/unfit': { status: 422, title: 'Certificate does not do for an anchor' },
  'anchor/wrong-state': { status: 409, title: 'Not in this state' },

  'authority/in-use': { status: 409, title: 'Authority is still needed' },
  'authority/key-missing': { status: 409, title: 'Key is not with the service' },
  'authority/known': { status: 409, title: 'Authority is known' },
  'authority/not-found': { status: 404, title: 'No such authority' },
  'authority/not-published': { status: 409, title: 'Not published yet' },
  'authority/own-announcement': { status: 403, title: 'Somebody else must activate it' },
  'authority/unfit': { status: 422, title: 'Certificate does not do for an authority' },
  'authority/wrong-state': { status: 409, title: 'Not in this state' },

  'certificate/ambiguous-request': { status: 400, title: 'Malformed certification request' },
  'certificate/ca-retired': { status: 409, title: 'CA has retired' },
  'certificate/issuer-revoked': { status: 503, title: 'Issuing CA is revoked', retryAfterSeconds: 3_600 },
  'certificate/key-blocked': { status: 409, title: 'Key is revoked' },
  'certificate/key-refused': { status: 422, title: 'Key not fit for a certificate' },
  'certificate/key-used': { status: 409, title: 'Key was certified before' },
  'certificate/not-found': { status: 404, title: 'No such certificate' },
  'certificate/profile-violation': { status: 422, title: 'Certificate would break the profile' },
  'certificate/vendor-not-active': { status: 409, title: 'Vendor is not active' },

  'workload/already-bound': { status: 409, title: 'Bound already' },
  'workload/ambiguous': { status: 409, title: 'Build of more than one vendor' },
  'workload/bad-proof': { status: 400, title: 'Proof of possession refused' },
  'workload/invalid-token': { status: 401, title: 'Identity token refused' },
  'workload/issuer-not-admitted': { status: 422, title: 'Issuer not known here' },
  'workload/issuer-unreachable': { status: 503, title: 'Issuer is unreachable', retryAfterSeconds: 5 },
  'workload/no-such-binding': { status: 404, title: 'No such binding' },
  'workload/not-bound': { status: 403, title: 'Build not bound by a vendor' },
  'workload/pattern-refused': { status: 422, title: 'Not to be bound' },
  'workload/token-used': { status: 409, title: 'Token was exchanged before' },
  'workload/too-many': { status: 409, title: 'Too many bindings' },

  'revocation/already-voted': { status: 409, title: 'Already voted by you' },
  'revocation/bad-target': { status: 422, title: 'Nothing to revoke by that' },
  'revocation/invalid-date': { status: 422, title: 'Invalidity date not possible' },
  'revocation/narrower': { status: 409, title: 'Revocations are not taken back' },
  'revocation/nothing-found': { status: 404, title: 'No certificate is meant' },

  'database/interrupted': { status: 503, title: 'Interrupted', retryAfterSeconds: 1 },
  'database/not-replicated': { status: 503, title: 'Not replicated', retryAfterSeconds: 2 },
  'database/unavailable': { status: 503, title: 'Database unreachable', retryAfterSeconds: 2 },

  'key/unavailable': { status: 503, title: 'Key out of reach', retryAfterSeconds: 5 },

  'log/damaged': { status: 500, title: 'Log damaged' },
  'log/frozen': { status: 409, title: 'Log takes no more entries' },
  'log/bad-change': { status: 422, title: 'Not a change of a log' },
  'log/governs': { status: 409, title: 'The log that governs' },
  'log/name-taken': { status: 409, title: 'Name taken' },
  'log/no-keys': { status: 409, title: 'No keys for this log' },
  'log/not-active': { status: 409, title: 'Log is not active' },
  'log/not-frozen': { status: 409, title: 'Log is not frozen' },
  'log/too-many': { status: 409, title: 'Too many logs' },
  'log/key-used': { status: 409, title: 'Key was used before' },
  'log/no-next-key': { status: 409, title: 'No key waits to follow' },
  'log/no-such-log': { status: 404, title: 'No such log' },
  'log/no-such-proposal': { status: 404, title: 'No such proposal' },
  'log/own-proposal': { status: 403, title: 'Not your own proposal' },
  'log/passed-over': { status: 409, title: 'No longer possible so' },
  'log/key-missing': { status: 503, title: 'Key not here', retryAfterSeconds: 60 },
  'log/behind': { status: 503, title: 'Log behind what others have seen', retryAfterSeconds: 60 },
  'log/not-committed': { status: 503, title: 'Head not committed', retryAfterSeconds: 1 },
  'follow/too-many': { status: 429, title: 'Too many followers', retryAfterSeconds: 30 },
  'subscription/address-refused': { status: 422, title: 'Address not possible' },
  'subscription/not-found': { status: 404, title: 'No such subscription' },
  'subscription/too-many': { status: 409, title: 'Too many subscriptions' },
  'subscription/unknown-position': { status: 422, title: 'Beyond the end of the log' },

  'log/none-active': { status: 503, title: 'No log takes statements', retryAfterSeconds: 60 },
  'log/not-open': { status: 503, title: 'Not founded yet', retryAfterSeconds: 60 },
  'log/not-witnessed': { status: 503, title: 'Not witnessed yet', retryAfterSeconds: 1 },
  'log/no-such-entry': { status: 404, title: 'Not Found' },
  'log/no-such-key': { status: 404, title: 'No such key' },
  'log/no-such-proof': { status: 404, title: 'No such proof' },
  'log/no-such-tile': { status: 404, title: 'No such tile' },
  'log/not-a-statement': { status: 404, title: 'Not a statement' },
  'log/already-voted': { status: 409, title: 'Already voted by you' },
  'log/already-withheld': { status: 409, title: 'Already withheld' },
  'log/not-erasable': { status: 409, title: 'Not to be withheld' },
  'log/not-restricted': { status: 409, title: 'Not restricted' },
  'log/not-indexed': { status: 503, title: 'Not indexed yet', retryAfterSeconds: 30 },
  'log/statement-erased': { status: 410, title: 'Statement erased' },
  'log/statement-restricted': { status: 403, title: 'Statement restricted' },

  'registration/anchor-withdrawn': { status: 400, title: 'Rejected' },
  'registration/application-not-claimed': { status: 400, title: 'Rejected' },
  'registration/certificate-revoked': { status: 400, title: 'Rejected' },
  'registration/digest-revoked': { status: 400, title: 'Rejected' },
  'registration/content-type-refused': { status: 400, title: 'Rejected' },
  'registration/issuer-mismatch': { status: 400, title: 'Rejected' },
  'registration/namespace-not-claimed': { status: 400, title: 'Rejected' },
  'registration/no-chain': { status: 400, title: 'Rejected' },
  'registration/unknown-vendor': { status: 400, title: 'Rejected' },
  'registration/vendor-not-active': { status: 400, title: 'Rejected' },
  'registration/algorithm-refused': { status: 400, title: 'Bad Signature Algorithm' },
  'registration/statement-too-large': { status: 413, title: 'Statement too large' },
  'registration/rate-limited': { status: 429, title: 'Too many registrations', retryAfterSeconds: 1 },
  'registration/overloaded': { status: 503, title: 'Overloaded', retryAfterSeconds: 1 },
  'registration/policy-changed': { status: 503, title: 'Policy changed', retryAfterSeconds: 1 },

  'policy/malformed': { status: 422, title: 'Not a registration policy' },
  'policy/no-such-proposal': { status: 404, title: 'No such proposal' },
  'policy/own-proposal': { status: 403, title: 'Not your own proposal' },
  'policy/passed-over': { status: 409, title: 'Another policy was adopted' },
  'policy/wrong-version': { status: 409, title: 'Not the next version' },
  'policy/unknown-type': { status: 422, title: 'Not a registration policy' },

  'sigstore/bad-request': { status: 400, title: 'Malformed request' },
  'sigstore/no-certificate': { status: 400, title: 'No certificate' },
  'sigstore/unsupported': { status: 400, title: 'Not supported' },

  'statement/bad-certificate-hash': { status: 400, title: 'Malformed request' },
  'statement/bad-chain': { status: 400, title: 'Malformed request' },
  'statement/bad-issuer': { status: 400, title: 'Malformed request' },
  'statement/bad-receipts': { status: 400, title: 'Malformed request' },
  'statement/bad-release': { status: 400, title: 'Malformed request' },
  'statement/bad-subject': { status: 400, title: 'Malformed request' },
  'statement/bad-target': { status: 400, title: 'Malformed request' },
  'statement/bad-time': { status: 400, title: 'Malformed request' },
  'statement/bad-timestamp-token': { status: 400, title: 'Malformed request' },
  'statement/certificate-mismatch': { status: 400, title: 'Malformed request' },
  'statement/no-claims': { status: 400, title: 'Malformed request' },
  'statement/no-content-type': { status: 400, title: 'Malformed request' },
  'statement/no-key-hint': { status: 400, title: 'Malformed request' },
  'statement/not-artifact-profile': { status: 400, title: 'Malformed request' },
  'statement/payload-missing': { status: 400, title: 'Payload Missing' },

  'cbor/bad-text': { status: 400, title: 'Malformed request' },
  'cbor/duplicate-key': { status: 400, title: 'Malformed request' },
  'cbor/indefinite-length': { status: 400, title: 'Malformed request' },
  'cbor/not-minimal': { status: 400, title: 'Malformed request' },
  'cbor/too-deep': { status: 400, title: 'Malformed request' },
  'cbor/too-many-items': { status: 400, title: 'Malformed request' },
  'cbor/trailing-bytes': { status: 400, title: 'Malformed request' },
  'cbor/truncated': { status: 400, title: 'Malformed request' },
  'cbor/unsupported': { status: 400, title: 'Malformed request' },

  'cose/bad-key': { status: 400, title: 'Malformed request' },
  'cose/critical-header': { status: 400, title: 'Malformed request' },
  'cose/malformed': { status: 400, title: 'Malformed request' },
  'cose/payload-mismatch': { status: 400, title: 'Malformed request' },
  'cose/private-key': { status: 400, title: 'Malformed request' },
  'cose/payload-missing': { status: 400, title: 'Payload Missing' },
  'cose/too-large': { status: 413, title: 'Statement too large' },
  'cose/unsupported-algorithm': { status: 400, title: 'Bad Signature Algorithm' },
  'cose/unsupported-key': { status: 400, title: 'Bad Signature Algorithm' },

  'crypto/algorithm-mismatch': { status: 400, title: 'Bad Signature Algorithm' },
  'crypto/bad-key': { status: 400, title: 'Key not usable' },
  'crypto/bad-signature': { status: 400, title: 'Signature does not verify' },
  'crypto/unsupported': { status: 400, title: 'Bad Signature Algorithm' },
  'crypto/weak-key': { status: 400, title: 'Key too weak' },

  'x509/bad-signature': { status: 400, title: 'Certificate refused' },
  'x509/crl-delta': { status: 400, title: 'Certificate refused' },
  'x509/crl-indirect': { status: 400, title: 'Certificate refused' },
  'x509/crl-not-usable': { status: 400, title: 'Certificate refused' },
  'x509/crl-stale': { status: 400, title: 'Certificate refused' },
  'x509/expired': { status: 400, title: 'Certificate expired' },
  'x509/extended-key-usage': { status: 400, title: 'Certificate refused' },
  'x509/invalid-spec': { status: 400, title: 'Certificate refused' },
  'x509/key-usage': { status: 400, title: 'Certificate refused' },
  'x509/malformed': { status: 400, title: 'Malformed certificate' },
  'x509/name-constraints': { status: 400, title: 'Certificate refused' },
  'x509/no-crl': { status: 400, title: 'Certificate refused' },
  'x509/no-path': { status: 400, title: 'No path to a trust anchor' },
  'x509/no-sct': { status: 400, title: 'Certificate refused' },
  'x509/not-a-ca': { status: 400, title: 'Certificate refused' },
  'x509/not-yet-valid': { status: 400, title: 'Certificate not yet valid' },
  'x509/path-length': { status: 400, title: 'Certificate refused' },
  'x509/policy': { status: 400, title: 'Certificate refused' },
  'x509/revoked': { status: 400, title: 'Certificate revoked' },
  'x509/too-complex': { status: 400, title: 'Certificate refused' },
  'x509/too-large': { status: 400, title: 'Certificate refused' },
  'x509/unknown-critical-extension': { status: 400, title: 'Certificate refused' },
  'x509/unsupported': { status: 400, title: 'Certificate refused' },
  'x509/weak': { status: 400, title: 'Certificate refused' },
};
