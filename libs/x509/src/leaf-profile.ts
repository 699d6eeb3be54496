import { subordinate, type SubordinateInput } from './ca-profile.ts';
import {
  authorityKeyIdentifier,
  caIssuers,
  certificatePolicy,
  crlDistributionPoint,
  endEntityConstraints,
  extendedKeyUsage,
  keyUsage,
  noRevocationAvailable,
  sigstoreIssuer,
  subjectAltUri,
  subjectKeyIdentifier,
} from './encode-extension.ts';
import { X509Fault } from './fault.ts';
import type { Certificate, Extension } from './model.ts';
import { DEFAULT_POLICY_ARC, OID } from './oid.ts';
import type { CertificateSpec } from './tbs-certificate.ts';
import { workloadExtensions, type WorkloadFields } from './workload.ts';

/** Vetted organisation with a hardware key, with a software key, or a short-lived certificate for a build. */
export type Assurance = 'hardware' | 'software' | 'ci';

export interface LeafInput extends SubordinateInput {
  /** `https://<vendor id>.vendors.<domain>/`: the one alternative name. */
  readonly vendorUri: string;
  /** `https://<domain>`: who vouches for the vendor. */
  readonly registry: string;
  readonly assurance: Assurance;
  /** The build that the certificate is for. Required with assurance `ci`, which nothing else has. */
  readonly workload?: WorkloadFields;
  /** The shard's CRL. Required, except with assurance `ci`, which has none. */
  readonly crlUrl?: string;
  readonly caIssuersUrl: string;
  readonly policyArc?: string;
}

/**
 * A vendor's signing certificate: one that our verifier, notation, cosign, sigstore-python and openssl all accept.
 *
 * Lengths of validity and kinds of keys are not judged here but by `lintLeaf`, over the finished certificate.
 */
export function leafProfile(input: LeafInput): CertificateSpec {
  if (input.subject.state === undefined) throw new X509Fault('x509/invalid-spec', 'The state is missing.');
  if (!isVendorUri(input.vendorUri, input.registry)) {
    throw new X509Fault('x509/invalid-spec', 'The vendor URI is not below the registry.');
  }
  return subordinate(input, [
    endEntityConstraints(),
    keyUsage('digitalSignature'),
    extendedKeyUsage(OID.codeSigning, false),
    subjectAltUri(input.vendorUri),
    subjectKeyIdentifier(input.publicKey),
    authorityKeyIdentifier(input.issuer),
    certificatePolicy(policyOid(input.assurance, input.policyArc)),
    revocation(input),
    caIssuers(input.caIssuersUrl),
    ...sigstoreIssuer(input.registry),
    ...workload(input),
  ]);
}

export function policyOid(assurance: Assurance, arc: string = DEFAULT_POLICY_ARC): string {
  return `${arc}.${ASSURANCES.indexOf(assurance) + 1}`;
}

/** The assurance a policy identifier stands for, if it is one of ours. */
export function findAssurance(policy: string, arc: string = DEFAULT_POLICY_ARC): Assurance | undefined {
  return ASSURANCES.find((assurance) => policyOid(assurance, arc) === policy);
}

/** The assurance that a certificate states; undefined when it states none of ours, or more than one policy. */
export function readAssurance({ policies }: Certificate, arc?: string): Assurance | undefined {
  const [policy, ...others] = policies;
  return policy === undefined || others.length > 0 ? undefined : findAssurance(policy, arc);
}

const ASSURANCES: readonly Assurance[] = ['hardware', 'software', 'ci'];

/** Whether `uri` is `https://<vendor id>.vendors.<domain>/` of `https://<domain>`; vendor ids are lower-case ULIDs. */
export function isVendorUri(uri: string, registry: string): boolean {
  const id = '[0-7][0-9a-hjkmnp-tv-z]{25}';
  const domain = registry.replace(/^https:\/\//, '');
  const match = new RegExp(`^https://${id}\\.vendors\\.(.+)/$`).exec(uri);
  return domain !== registry && match?.[1] === domain;
}

function workload({ assurance, workload: fields, policyArc }: LeafInput): Extension[] {
  if ((assurance === 'ci') !== (fields !== undefined)) {
    throw new X509Fault('x509/invalid-spec', 'A CI certificate names the build it is for, and no other does.');
  }
  return fields ? workloadExtensions(fields, policyArc) : [];
}

function revocation({ assurance, crlUrl }: LeafInput) {
  if (assurance === 'ci') return noRevocationAvailable();
  if (crlUrl === undefined) throw new X509Fault('x509/invalid-spec', 'The URL of the CRL is missing.');
  return crlDistributionPoint(crlUrl);
}
