import { parseJson } from '@margo-trust/bytes';
import type { SignatureAlgorithm } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { CONTENT, encodeJsonPayload } from '@margo-trust/statement';
import { PolicyFault } from './fault.ts';

/** Which statements a payload parser stands behind. `opaque` looks at nothing: such statements claim nothing. */
export type PayloadSchema = 'notary-artifact' | 'margo-release' | 'opaque';

/** What must lie within what the vendor was granted. */
export type ClaimCheck = 'application-id-prefix' | 'oci-namespace';

export interface AdmittedStatement {
  /** COSE content type (label 3), compared as text. */
  readonly contentType: string;
  readonly payload: PayloadSchema;
}

/** A token bucket: `burst` registrations at once, refilled with `perSecond`. Both are whole numbers. */
export interface RateLimit {
  readonly perSecond: number;
  readonly burst: number;
}

/**
 * What the log admits from vendors (RFC 9943 §5.1.1). A registered statement itself: at index 0 and on every change.
 * It counts from its own index on: entries with a higher one were admitted under it or under a later one.
 *
 * What it does not say is fixed by its type: a statement is well-formed, its path leads to an anchor of purpose
 * `artifact-signing` valid at the time of registration with the extended key usage codeSigning, `iss` is the only URI
 * of the certificate, the vendor is known and active, the certificate is not revoked, the signature holds.
 */
export interface RegistrationPolicy {
  /** Counts up by one with each change; the founding policy has 1. */
  readonly version: number;
  readonly algorithms: readonly SignatureAlgorithm[];
  readonly statements: readonly AdmittedStatement[];
  readonly claims: readonly ClaimCheck[];
  /** Bytes of the statement with an empty unprotected header, 1 MiB at most. */
  readonly maxStatementBytes: number;
  /** For each vendor and process. No part of the decision about a statement: it only delays. */
  readonly vendorRate: RateLimit;
}

/** The only purpose of anchors and the only standing of vendors that this type of policy knows. */
const FIXED = { type: 'margo.registration-policy.v2', anchors: 'artifact-signing', vendors: 'active' } as const;
/** As logged by registries founded before policies could change. */
const FIRST_TYPE = 'margo.registration-policy.v1';

export const POLICY_LIMITS = { maxDocumentBytes: 65_536, maxStatementBytes: 1 << 20, maxRate: 1_000_000 } as const;

const ALGORITHMS: readonly SignatureAlgorithm[] = ['ES256', 'ES384', 'PS256', 'PS384'];
const CLAIM_CHECKS: readonly ClaimCheck[] = ['application-id-prefix', 'oci-namespace'];
const SCHEMAS: Readonly<Record<string, PayloadSchema>> = {
  [CONTENT.artifact]: 'notary-artifact',
  [CONTENT.release]: 'margo-release',
};
const FIRST_RATE: RateLimit = { perSecond: 10_000, burst: 20_000 };

/**
 * What a registry opens its log with. The vendors' rate is what one process can do at all, so that it hinders nobody;
 * governance lowers it when it knows its vendors.
 */
export const FOUNDING_POLICY: RegistrationPolicy = {
  version: 1,
  algorithms: ALGORITHMS,
  statements: [
    { contentType: CONTENT.artifact, payload: 'notary-artifact' },
    { contentType: CONTENT.release, payload: 'margo-release' },
  ],
  claims: CLAIM_CHECKS,
  maxStatementBytes: POLICY_LIMITS.maxStatementBytes,
  vendorRate: FIRST_RATE,
};

/** The document as it is logged: members in this order, no white space. */
export function encodeRegistrationPolicy(policy: RegistrationPolicy): Uint8Array {
  return encodeJsonPayload(describeRegistrationPolicy(policy));
}

/** The same as an object. */
export function describeRegistrationPolicy(policy: RegistrationPolicy): object {
  const { version, algorithms, statements, claims, maxStatementBytes, vendorRate } = policy;
  return {
    type: FIXED.type,
    version,
    algorithms: [...algorithms],
    statements: statements.map(({ contentType, payload }) => ({ contentType, payload })),
    anchors: FIXED.anchors,
    vendors: FIXED.vendors,
    claims: [...claims],
    maxStatementBytes,
    vendorRate: { perSecond: vendorRate.perSecond, burst: vendorRate.burst },
  };
}

/**
 * Reads a policy strictly: every member, none unknown, each within bounds, so that nobody decides about something that is
 * not understood here. 64 KiB at most. Throws `policy/malformed`, or `policy/unknown-type` for a type of a later day.
 */
export function parseRegistrationPolicy(document: Uint8Array | string): RegistrationPolicy {
  return readRegistrationPolicy(readJson(document));
}

/** The same for a document that was parsed already, with the limits of `parseJson`. */
export function readRegistrationPolicy(document: unknown): RegistrationPolicy {
  if (!isObject(document)) bad('it must be an object');
  if (document['type'] === FIRST_TYPE) return readFirst(document);
  if (document['type'] !== FIXED.type) {
    throw new PolicyFault('policy/unknown-type', `The policy must be of the type ${FIXED.type}.`);
  }
  const known = Object.keys(describeRegistrationPolicy(FOUNDING_POLICY));
  refuseUnknown(document, known, 'the policy');
  if (document['anchors'] !== FIXED.anchors) bad(`"anchors" must be "${FIXED.anchors}"`);
  if (document['vendors'] !== FIXED.vendors) bad(`"vendors" must be "${FIXED.vendors}"`);
  return {
    version: integer(document['version'], 'version', 1, Number.MAX_SAFE_INTEGER),
    algorithms: words(document['algorithms'], 'algorithms', ALGORITHMS, 1),
    statements: readStatements(document['statements']),
    claims: words(document['claims'], 'claims', CLAIM_CHECKS, 0),
    maxStatementBytes: integer(
      document['maxStatementBytes'],
      'maxStatementBytes',
      1_024,
      POLICY_LIMITS.maxStatementBytes,
    ),
    vendorRate: readRate(document['vendorRate']),
  };
}

function readJson(document: Uint8Array | string): unknown {
  try {
    return parseJson(document, { maxBytes: POLICY_LIMITS.maxDocumentBytes, maxDepth: 8 });
  } catch (error) {
    if (error instanceof Fault) throw new PolicyFault('policy/malformed', error.message, { cause: error });
    throw error;
  }
}

function readStatements(value: unknown): AdmittedStatement[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > 32) bad('"statements" must be a list of 1 to 32');
  const statements = value.map(readStatement);
  const types = statements.map(({ contentType }) => contentType);
  if (new Set(types).size !== types.length) bad('a content type is named twice');
  return statements;
}

function readStatement(value: unknown): AdmittedStatement {
  if (!isObject(value)) bad('a statement must be an object');
  refuseUnknown(value, ['contentType', 'payload'], 'a statement');
  const { contentType, payload } = value;
  if (typeof contentType !== 'string' || !/^[a-z0-9][\x21-\x7e]{0,254}$/.test(contentType)) {
    bad('a contentType must be a media type of at most 255 characters');
  }
  const schema = SCHEMAS[contentType] ?? 'opaque';
  if (payload !== schema) bad(`the payload of "${contentType}" must be "${schema}"`);
  // Only the registry speaks for the registry: a vendor's statement must never be read as a record, policy or anchor.
  if (schema === 'opaque' && contentType.startsWith('application/vnd.margo.trust.')) {
    bad(`"${contentType}" is the registry’s own`);
  }
  return { contentType, payload: schema };
}

function readRate(value: unknown): RateLimit {
  if (!isObject(value)) bad('"vendorRate" must be an object');
  refuseUnknown(value, ['perSecond', 'burst'], '"vendorRate"');
  return {
    perSecond: integer(value['perSecond'], 'perSecond', 1, POLICY_LIMITS.maxRate),
    burst: integer(value['burst'], 'burst', 1, POLICY_LIMITS.maxRate),
  };
}

/** It said in `checks` what the second type fixes, and in `contentTypes` what had one parser each. */
function readFirst(document: Record<string, unknown>): RegistrationPolicy {
  refuseUnknown(document, ['type', 'algorithms', 'contentTypes', 'maxStatementBytes', 'checks'], 'the policy');
  const contentTypes = words(document['contentTypes'], 'contentTypes', Object.keys(SCHEMAS), 1);
  return {
    ...FOUNDING_POLICY,
    algorithms: words(document['algorithms'], 'algorithms', ALGORITHMS, 1),
    statements: contentTypes.map((contentType) => ({ contentType, payload: SCHEMAS[contentType] ?? 'opaque' })),
    maxStatementBytes: integer(
      document['maxStatementBytes'],
      'maxStatementBytes',
      1_024,
      POLICY_LIMITS.maxStatementBytes,
    ),
  };
}

function words<const T extends string>(value: unknown, name: string, known: readonly T[], least: number): T[] {
  const isKnown = (word: unknown): word is T => known.some((candidate) => candidate === word);
  if (!Array.isArray(value) || value.length < least || !value.every(isKnown) || new Set(value).size !== value.length) {
    bad(`"${name}" must be a list of different ones out of ${known.join(', ')}`);
  }
  return value;
}

function integer(value: unknown, name: string, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    bad(`"${name}" must be a whole number from ${min} to ${max}`);
  }
  return value;
}

function refuseUnknown(value: Record<string, unknown>, known: readonly string[], what: string): void {
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) bad(`${what} has no member "${unknown.slice(0, 50)}"`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(message: string): never {
  throw new PolicyFault('policy/malformed', `In the registration policy, ${message}.`);
}
