import { Injectable } from '@nestjs/common';
import { areEqualBytes, encodeUtf8 } from '@margo-trust/bytes';
import { type PublicKey, parsePublicKey, sha256, verifySignature } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { isSubjectOf } from '@margo-trust/policy';
import type { SigningCertRequest } from '@margo-trust/sigstore';
import { certificateSignatureAlgorithm, parsePem } from '@margo-trust/x509';
import { Clock } from '../../clock.ts';
import type { Tx } from '../../db/db.ts';
import { VendorReader } from '../../vendors/vendor.reader.ts';
import { CertificateFault } from '../certificate.fault.ts';
import { IssueCertificate } from '../issue-certificate.ts';
import { findKeyWeakness } from '../key-rules.ts';
import { readRequest } from '../read-request.ts';
import { readWorkloadFields } from './workload-facts.ts';
import { type WorkloadToken, WorkloadTokens } from './workload-tokens.ts';
import { WorkloadFault } from './workload.fault.ts';
import { type WorkloadBinding, WorkloadStore } from './workload.store.ts';

/**
 * Gives a build a certificate for a day, for the token that its issuer made for it ("trusted publishing"). Returns the serial
 * number.
 *
 * A token goes to one key: whoever sends both again, after an answer that was lost, gets the same certificate, and whoever sends
 * it with another key has found or stolen it and gets nothing.
 */
@Injectable()
export class ExchangeToken {
  constructor(
    private readonly tokens: WorkloadTokens,
    private readonly store: WorkloadStore,
    private readonly vendors: VendorReader,
    private readonly issue: IssueCertificate,
    private readonly clock: Clock,
  ) {}

  /** Everything comes from anybody. */
  async run(credential: string, request: SigningCertRequest['key']): Promise<string> {
    const token = await this.tokens.verify(credential);
    const binding = await this.findBinding(token);
    const vendor = await this.vendors.load(binding.vendorId);
    if (vendor.status !== 'active') {
      throw new CertificateFault('certificate/vendor-not-active', 'Only an active vendor gets certificates.');
    }
    const key = await readKey(request, token);
    const spkiSha256 = sha256(key.spki);
    const earlier = await this.store.findExchange(token.sha256);
    if (earlier && !areEqualBytes(earlier.spkiSha256, spkiSha256)) throw spent();
    if (earlier?.serial !== undefined) return earlier.serial;

    const { issuer, subject } = token;
    const { serial } = await this.issue.run({
      vendor,
      key,
      commonName: 'CI signing',
      assurance: 'ci',
      workload: readWorkloadFields(token),
      mayResume: earlier !== undefined,
      actor: `${issuer}#${subject}`,
      ground: { binding: binding.entryId, workload: { issuer, subject } },
      confirm: (tx) => this.confirm(tx, binding, token, spkiSha256),
    });
    return serial;
  }

  /** The binding that lets the build in. Those of other vendors than the token's audience do not count. */
  private async findBinding(token: WorkloadToken): Promise<WorkloadBinding> {
    const candidates = await this.store.candidates(token.issuer, token.subject);
    const bindings = candidates.filter(
      ({ vendorId, subject, claims }) =>
        (token.vendorId === undefined || vendorId === token.vendorId) &&
        isSubjectOf(subject, token.subject) &&
        Object.entries(claims).every(([name, value]) => isClaim(token.claims[name], value)),
    );
    const [binding] = bindings;
    if (binding === undefined) {
      throw new WorkloadFault('workload/not-bound', `No vendor has bound builds that are called ${token.subject}.`);
    }
    if (bindings.some(({ vendorId }) => vendorId !== binding.vendorId)) {
      throw new WorkloadFault(
        'workload/ambiguous',
        'More than one vendor has bound this build: ask for a token whose audience is the URI of the vendor you mean.',
      );
    }
    return binding;
  }

  private async confirm(tx: Tx, { id }: WorkloadBinding, token: WorkloadToken, spkiSha256: Uint8Array): Promise<void> {
    if (!(await this.store.isInForce(tx, id))) {
      throw new WorkloadFault('workload/not-bound', 'The vendor has just ended the binding.');
    }
    const now = this.clock.now();
    if (!(await this.store.spendToken(tx, token.sha256, spkiSha256, token.expiresAt, now))) throw spent();
  }
}

/** The key to be certified, whose owner has proven to hold its private half. */
async function readKey(request: SigningCertRequest['key'], token: WorkloadToken): Promise<PublicKey> {
  if ('csr' in request) return readRequest(request.csr);
  const key = parsePublicKey(parsePem('PUBLIC KEY', request.publicKey)[0] ?? new Uint8Array());
  const weakness = findKeyWeakness(key);
  if (weakness !== undefined) throw new CertificateFault('certificate/key-refused', weakness);
  // Fulcio's clients sign the subject, or the address of a person: either way something that stands in this very token.
  const { email } = token.claims;
  const names = [token.subject, ...(typeof email === 'string' ? [email] : [])];
  if (names.some((name) => isProof(request.proof, key, name))) return key;
  throw new WorkloadFault(
    'workload/bad-proof',
    "The proof of possession is no signature by the key over the token's sub.",
  );
}

function isProof(signature: Uint8Array, key: PublicKey, name: string): boolean {
  const algorithm = certificateSignatureAlgorithm(key);
  try {
    verifySignature({ algorithm, key, data: encodeUtf8(name), signature, encoding: 'der' });
    return true;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

/** Issuers write numbers and yes or no as they like. */
function isClaim(found: unknown, wanted: string): boolean {
  return (
    (typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean') && String(found) === wanted
  );
}

function spent(): WorkloadFault {
  return new WorkloadFault(
    'workload/token-used',
    'This token has been exchanged for another key: have a new one made.',
  );
}
