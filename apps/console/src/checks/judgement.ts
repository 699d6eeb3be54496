import { parseJson } from '@margo-trust/bytes';
import { CONTENT, parseTargetArtifact, type Statement } from '@margo-trust/statement';
import { ML_DSA_44_COSIGNATURE } from '@margo-trust/tlog';
import { Verifier, type CheckName, type TrustRoot, type Verdict } from '@margo-trust/verifier';
import { parseCertificate } from '@margo-trust/x509';
import { organizationOf } from '../decode.ts';
import { verifyRegistrySignature } from './registry-signature.ts';
import type { Source } from './source.ts';
import { NotChecked, Refused } from './steps.ts';
import { withVendor, type Trust } from './trust.ts';

/** Who made a statement, as its signature shows. `time` is the earliest that anybody trusted saw it at. */
export type Signer = { kind: 'vendor'; name: string; time?: Date } | { kind: 'registry' };

/** The answer to "still good?". */
export interface Standing {
  said: string;
  /** When the lists it was read from were signed. */
  asOf: Date;
}

/** Two questions; asking one throws when its answer is no, or when there is none. */
export interface Judgement {
  signer(): Signer;
  standing(): Standing;
}

/** What the page has found out about a statement's place in the log. */
export interface Evidence {
  /** The log, and the statement's index in it. */
  origin: string;
  index: bigint;
  /** No later than this was it in the log. */
  by: Date;
  /** C2SP tlog-proof to the newest checkpoint; absent if that could not be made. */
  proof?: Uint8Array;
}

export async function judge(
  source: Source,
  trust: Trust,
  statement: Statement,
  { proof, ...place }: Evidence,
): Promise<Judgement> {
  return statement.x5t ? judgeVendor(source, trust, statement, proof) : judgeRegistry(source, trust, statement, place);
}

/** What vendors sign is judged by the engine that devices use, so that the page can't say another thing than they do. */
async function judgeVendor(
  source: Source,
  trust: Trust,
  statement: Statement,
  proof: Uint8Array | undefined,
): Promise<Judgement> {
  const vendorId = /^https:\/\/([0-9a-z-]{1,63})\.vendors\./.exec(statement.issuer)?.[1];
  const verifier = await openVerifier(vendorId === undefined ? trust : await withVendor(source, trust, vendorId));
  if (proof) verifier.addProof(proof);
  const verdict = verdictOn(statement, verifier);
  const refusedBy = verdict.checks.find(({ passed }) => !passed)?.name;
  return {
    signer() {
      if (refusedBy !== undefined && ABOUT_SIGNER.includes(refusedBy)) throw refusal(verdict);
      const [leaf = new Uint8Array()] = statement.chain;
      const name = organizationOf(parseCertificate(leaf));
      return { kind: 'vendor', name, ...(verdict.trusted && { time: verdict.finding.time }) };
    },
    standing() {
      if (!verdict.trusted) throw refusal(verdict);
      return {
        said: 'The vendor is active and may sign this, and nothing about it is on the revocation list.',
        asOf: trust.revocations.asOf,
      };
    },
  };
}

/** The checks that have to pass before the certificate's name is the signer's; those after them are about its standing. */
const ABOUT_SIGNER: readonly CheckName[] = [
  'envelope',
  'algorithm',
  'signature',
  'log receipt',
  'witnesses',
  'certificate',
];

/** The check of ML-DSA-44 weighs more than the rest of the page: it comes when a witness has such a key. */
async function openVerifier(trust: TrustRoot): Promise<Verifier> {
  const keys = trust.logs.flatMap(({ witnessing }) => witnessing?.policy.witnesses ?? []);
  if (!keys.some(({ key }) => key.type === ML_DSA_44_COSIGNATURE)) return new Verifier(trust);
  const { verifyMlDsa44 } = await import('@margo-trust/crypto/ml-dsa');
  return new Verifier(trust, { verifyMlDsa44 });
}

function verdictOn(statement: Statement, verifier: Verifier): Verdict {
  switch (statement.contentType) {
    case CONTENT.release:
      return verifier.verifyRelease(statement.bytes);
    case CONTENT.artifact:
      return verifier.verifyArtifact(parseTargetArtifact(statement.payload), [statement.bytes]);
    default:
      throw new NotChecked('Not checked, because this page knows no rules for this kind of statement.');
  }
}

function refusal(verdict: Verdict): Error {
  if (verdict.trusted) throw new Error('A trusted verdict is no refusal.');
  const { code, reason, advice } = verdict;
  if (code === 'crypto/unsupported') return new NotChecked(`Not checked: ${reason}`);
  return new Refused(reason, [
    { label: 'What to do', value: advice },
    { label: 'Code', value: code },
  ]);
}

/** Nothing revokes the registry's own statements, but what they speak of may have changed since. */
async function judgeRegistry(source: Source, trust: Trust, statement: Statement, place: Evidence): Promise<Judgement> {
  const fingerprint = /^certificate:([0-9a-f]{64})$/.exec(statement.subject)?.[1];
  const isRevoked = fingerprint !== undefined && (await isCertificateRevoked(source, trust, statement, fingerprint));
  return {
    signer() {
      verifyRegistrySignature(statement, trust, place.by, place);
      return { kind: 'registry' };
    },
    standing() {
      const { asOf } = trust.revocations;
      if (fingerprint === undefined) return { said: 'The record stands: its key is in the current trust root.', asOf };
      return { said: `The record stands. The certificate it is about is ${isRevoked ? '' : 'not '}revoked.`, asOf };
    },
  };
}

/** Its vendor's file says it, and the record says which vendor that is. */
async function isCertificateRevoked(
  source: Source,
  trust: Trust,
  { payload }: Statement,
  fingerprint: string,
): Promise<boolean> {
  const record = parseJson(payload) as { vendor?: unknown };
  if (typeof record.vendor !== 'string') return trust.revocations.certificates.has(fingerprint);
  return (await withVendor(source, trust, record.vendor)).findRevocation(record.vendor, fingerprint) !== undefined;
}
