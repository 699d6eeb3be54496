import { readDer } from './der/read.ts';
import { TAG } from './der/tag.ts';
import { readUtf8 } from './der/text.ts';
import { textExtension } from './encode-extension.ts';
import { findExtension } from './extension.ts';
import { X509Fault } from './fault.ts';
import type { Certificate, Extension } from './model.ts';
import { DEFAULT_POLICY_ARC, OID } from './oid.ts';

/** What a CI certificate says of the build that it was given to. */
export interface WorkloadFields {
  /** The OpenID issuer that vouched for the build. */
  readonly issuer: string;
  /** `sub` of its token. */
  readonly subject: string;
  /** What the token said besides. Good for people and for audits: the binding decided by issuer, subject and its own claims. */
  readonly facts: Readonly<Partial<Record<WorkloadFact, string>>>;
}

/** Facts about builds with their places below 1.3.6.1.4.1.57264.1, by Fulcio's names (its OID information, .9 to .23). */
export const WORKLOAD_FACTS = {
  buildSignerUri: 9,
  buildSignerDigest: 10,
  runnerEnvironment: 11,
  sourceRepositoryUri: 12,
  sourceRepositoryDigest: 13,
  sourceRepositoryRef: 14,
  sourceRepositoryIdentifier: 15,
  sourceRepositoryOwnerUri: 16,
  sourceRepositoryOwnerIdentifier: 17,
  buildConfigUri: 18,
  buildConfigDigest: 19,
  buildTrigger: 20,
  runInvocationUri: 21,
  sourceRepositoryVisibility: 22,
  deploymentEnvironment: 23,
} as const;
export type WorkloadFact = keyof typeof WORKLOAD_FACTS;

/** Longest text in one extension, in characters: what a token says must not make a certificate of any size. */
export const MAX_WORKLOAD_TEXT = 1_000;

/**
 * The extensions of a build, in the order of their numbers. Sigstore has no identifier for the issuer of the token: in its own
 * certificates that is the issuer of the identity, and here the registry is.
 */
export function workloadExtensions({ issuer, subject, facts }: WorkloadFields, arc?: string): Extension[] {
  const texts = [issuer, subject, ...Object.values(facts)];
  if (texts.some((text) => text.length === 0 || text.length > MAX_WORKLOAD_TEXT)) {
    throw new X509Fault('x509/invalid-spec', `What names a build has 1 to ${MAX_WORKLOAD_TEXT} characters.`);
  }
  const said = FACTS.flatMap(([name, oid]) => {
    const text = facts[name];
    return text === undefined ? [] : [textExtension(oid, text)];
  });
  return [...said, textExtension(OID.sigstoreTokenSubject, subject), textExtension(workloadIssuerOid(arc), issuer)];
}

/** The build that a certificate was given to; undefined when it names none. Throws `x509/malformed` for other than texts. */
export function readWorkload(certificate: Certificate, arc?: string): WorkloadFields | undefined {
  const read = (oid: string) => {
    const found = findExtension(certificate.extensions, oid);
    return found && readUtf8(readDer(found.value, TAG.utf8).content);
  };
  const [issuer, subject] = [read(workloadIssuerOid(arc)), read(OID.sigstoreTokenSubject)];
  if (issuer === undefined || subject === undefined) return undefined;
  const facts: Partial<Record<WorkloadFact, string>> = {};
  for (const [name, oid] of FACTS) {
    const text = read(oid);
    if (text !== undefined) facts[name] = text;
  }
  return { issuer, subject, facts };
}

/** The identifiers that only CI certificates use. */
export function isWorkloadOid(oid: string, arc?: string): boolean {
  return oid === OID.sigstoreTokenSubject || oid === workloadIssuerOid(arc) || FACTS.some(([, known]) => known === oid);
}

/** Beside the arc's policies, which are 1 to 3. */
export function workloadIssuerOid(arc: string = DEFAULT_POLICY_ARC): string {
  return `${arc}.16`;
}

const FACTS = Object.entries(WORKLOAD_FACTS).map(
  ([name, place]) => [name as WorkloadFact, `1.3.6.1.4.1.57264.1.${place}`] as const,
);
