import { encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { makeKey, makeMlDsaWitness, makeWitness, World, type TestWitness } from '@margo-trust/testkit';
import { parseVerifierKey } from '@margo-trust/tlog';
import { openTufSnapshot } from '@margo-trust/tuf';
import { describe, expect, it } from 'vitest';
import {
  encodeEvidenceBundle,
  parseTrustRoot,
  Verifier,
  verifyEvidenceBundle,
  type Verdict,
  type WitnessOptions,
} from '../src/index.ts';

const manifest = encodeUtf8('{"schemaVersion":2}');
const target = {
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: `sha256:${encodeHex(sha256(manifest))}`,
  size: manifest.length,
};
const claims = { applicationIdPrefixes: ['com-example-'], ociNamespaces: [] };
const [one, two, three] = ['w1', 'w2', 'w3'].map((name) => makeWitness(`${name}.example`)) as [
  TestWitness,
  TestWitness,
  TestWitness,
];
const TWO_OF_THREE = policyOf(one, two, three);

function policyOf(...witnesses: readonly TestWitness[]): string {
  const names = witnesses.map((_, i) => `n${i + 1}`);
  const lines = witnesses.map(({ vkey }, i) => `witness n${i + 1} ${vkey}`);
  return [...lines, `group most 2 ${names.join(' ')}`, 'quorum most', ''].join('\n');
}

/** One logged signature with the receipt of its own tree, and others logged after it. */
function walk() {
  const world = new World();
  const vendor = world.vendor('01jd5x7m8n9p0q1r2s3t4v5w6x');
  const published = world.published(vendor, claims);
  const signature = world.log(world.signArtifact(vendor, target));
  const size = world.size;
  const other = world.log(world.signArtifact(vendor, { ...target, size: 1 }, 'oci:app:other'));
  return { world, vendor, published, signature, size, other };
}

type Walk = ReturnType<typeof walk>;

interface Evidence {
  checkpoint?: Uint8Array;
  proofs?: readonly Uint8Array[];
  demand?: 'required' | 'reported';
  policy?: string;
  options?: WitnessOptions;
}

function judge({ world, published, signature }: Walk, evidence: Evidence): Verdict {
  const { checkpoint, proofs = [], demand = 'required', policy = TWO_OF_THREE, options } = evidence;
  const set = world.trustRoot([published], {}, { witnessing: { policy, demand }, ...(checkpoint && { checkpoint }) });
  const verifier = new Verifier(parseTrustRoot(openTufSnapshot(set, { now: world.now, expired: 'report' })), options);
  proofs.forEach((proof) => verifier.addProof(proof));
  return verifier.verifyArtifact(target, [signature]);
}

function outcome(verdict: Verdict): unknown {
  return verdict.trusted ? verdict.finding.witnessed : verdict.code;
}

describe('an entry counts as witnessed', () => {
  it('when the trust root’s checkpoint, cosigned by a quorum, is over the very tree of its receipt', () => {
    const w = walk();
    const checkpoint = w.world.checkpoint([one, three], { size: w.size });
    const verdict = judge(w, { checkpoint });
    expect(outcome(verdict)).toEqual({ by: ['n1', 'n3'], of: 3, hasQuorum: true });
    expect(verdict.checks.map(({ name }) => name).slice(3, 5)).toEqual(['log receipt', 'witnesses']);
  });

  it('when a tlog-proof leads from it to a checkpoint that a quorum cosigned', () => {
    const w = walk();
    const proofs = [w.world.proof(w.signature, w.world.checkpoint([one, two]))];
    expect(outcome(judge(w, { proofs }))).toEqual({ by: ['n1', 'n2'], of: 3, hasQuorum: true });
  });

  it('whatever useless proofs travel along', () => {
    const w = walk();
    const checkpoint = w.world.checkpoint([one, two]);
    const good = w.world.proof(w.signature, checkpoint);
    const damaged = Uint8Array.from(good);
    damaged[damaged.length - 5]! ^= 1;
    const proofs = [encodeUtf8('no proof'), w.world.proof(w.other, checkpoint), damaged, good];
    expect(outcome(judge(w, { proofs }))).toMatchObject({ hasQuorum: true });
  });

  it('by ML-DSA-44 cosignatures, for whoever can check those', () => {
    const w = walk();
    const quantum = makeMlDsaWitness('w4.example');
    const policy = policyOf(one, quantum);
    const proofs = [w.world.proof(w.signature, w.world.checkpoint([one, quantum]))];
    expect(outcome(judge(w, { policy, proofs, options: { verifyMlDsa44 } }))).toMatchObject({ hasQuorum: true });
    expect(outcome(judge(w, { policy, proofs }))).toBe('verify/not-witnessed');
    expect(outcome(judge(w, { policy, proofs, demand: 'reported' }))).toEqual({ by: ['n1'], of: 2, hasQuorum: false });
  });

  it('on a checkpoint that the log’s ML-DSA-44 key signed, for as long as that key speaks for its size', () => {
    const w = walk();
    const own = makeMlDsaWitness(w.world.origin);
    const checkpoint = w.world.checkpoint([own, one, two], { signer: makeKey('Ed25519') });
    const witnessing = { policy: TWO_OF_THREE, demand: 'required' };
    const set = w.world.trustRoot([w.published], {}, { witnessing });
    const trust = parseTrustRoot(openTufSnapshot(set, { now: w.world.now, expired: 'report' }));
    const under = (window: { fromSize: bigint; untilSize?: bigint }) => {
      const logs = trust.logs.map((log) => ({
        ...log,
        mlDsa44History: [{ key: parseVerifierKey(own.vkey), ...window }],
      }));
      const verifier = new Verifier({ ...trust, logs }, { verifyMlDsa44 });
      verifier.addProof(w.world.proof(w.signature, checkpoint));
      return outcome(verifier.verifyArtifact(target, [w.signature]));
    };
    const size = BigInt(w.world.size);
    expect(under({ fromSize: 0n })).toMatchObject({ hasQuorum: true });
    expect(under({ fromSize: size, untilSize: size + 1n })).toMatchObject({ hasQuorum: true });
    expect(under({ fromSize: 0n, untilSize: size })).toBe('verify/not-witnessed');
    expect(under({ fromSize: size + 1n })).toBe('verify/not-witnessed');
  });
});

describe('where a quorum is required, a signature is refused', () => {
  it.each<[string, (w: Walk) => Evidence, string]>([
    ['without any evidence of witnesses', () => ({}), 'verify/not-witnessed'],
    [
      'with too few cosignatures',
      ({ world, signature }) => ({ proofs: [world.proof(signature, world.checkpoint([two]))] }),
      'verify/not-witnessed',
    ],
    [
      'with one cosignature given twice',
      ({ world, signature }) => ({ proofs: [world.proof(signature, world.checkpoint([two, two]))] }),
      'verify/not-witnessed',
    ],
    [
      'with a cosignature of a witness that the policy does not name',
      ({ world, signature }) => ({
        proofs: [world.proof(signature, world.checkpoint([one, makeWitness('w2.example')]))],
      }),
      'verify/not-witnessed',
    ],
    [
      'with a checkpoint that another key than the log’s signed',
      ({ world, signature }) => ({
        proofs: [world.proof(signature, world.checkpoint([one, two], { signer: makeKey('Ed25519') }))],
      }),
      'verify/not-witnessed',
    ],
    [
      'with a proof for another entry',
      ({ world, other }) => ({ proofs: [world.proof(other, world.checkpoint([one, two]))] }),
      'verify/not-witnessed',
    ],
    [
      'with a cosigned checkpoint over an older tree',
      ({ world, size }) => ({ checkpoint: world.checkpoint([one, two], { size: size - 1 }) }),
      'verify/not-witnessed',
    ],
    [
      'with a cosigned checkpoint over a newer tree and no proof that leads there',
      ({ world, size }) => ({ checkpoint: world.checkpoint([one, two], { size: size + 1 }) }),
      'verify/not-witnessed',
    ],
    [
      'with a proof into another tree than the witnesses cosigned',
      ({ world, signature }) => ({
        proofs: [world.proof(signature, world.checkpoint([one, two], { root: new Uint8Array(32) }))],
      }),
      'verify/not-witnessed',
    ],
    [
      'whose log showed the witnesses another tree of that size',
      ({ world, size }) => ({ checkpoint: world.checkpoint([one, two], { size, root: new Uint8Array(32) }) }),
      'verify/forked',
    ],
  ])('%s', (_, plant, code) => {
    const w = walk();
    expect(outcome(judge(w, plant(w)))).toBe(code);
  });

  it('also when it is the caller who requires it', () => {
    const w = walk();
    const options = { witnesses: 'required' } as const;
    expect(outcome(judge(w, { demand: 'reported', options }))).toBe('verify/not-witnessed');
    const set = w.world.trustRoot([w.published]);
    const trust = parseTrustRoot(openTufSnapshot(set, { now: w.world.now, expired: 'report' }));
    const verdict = new Verifier(trust, options).verifyArtifact(target, [w.signature]);
    expect(verdict).toMatchObject({ code: 'verify/not-witnessed', reason: expect.stringContaining('no witnesses') });
  });

  it('and the caller cannot ask for less than the trust root', () => {
    expect(outcome(judge(walk(), { options: { witnesses: 'reported' } }))).toBe('verify/not-witnessed');
  });
});

describe('where a quorum is only reported', () => {
  it('says how many witnesses are known to have seen the entry', () => {
    const w = walk();
    const proofs = [w.world.proof(w.signature, w.world.checkpoint([two]))];
    const verdict = judge(w, { demand: 'reported', proofs });
    expect(outcome(verdict)).toEqual({ by: ['n2'], of: 3, hasQuorum: false });
    expect(verdict.checks.find(({ name }) => name === 'witnesses')?.detail).toContain('Witnessed by 1 of 3');
    expect(outcome(judge(w, { demand: 'reported' }))).toEqual({ by: [], of: 3, hasQuorum: false });
  });

  it('refuses a forked log all the same, witnesses or not', () => {
    const w = walk();
    const checkpoint = w.world.checkpoint([], { size: w.size, root: new Uint8Array(32) });
    expect(outcome(judge(w, { demand: 'reported', checkpoint }))).toBe('verify/forked');
    const trust = parseTrustRoot(
      openTufSnapshot(w.world.trustRoot([w.published], {}, { checkpoint }), { now: w.world.now, expired: 'report' }),
    );
    const verdict = new Verifier(trust).verifyArtifact(target, [w.signature]);
    expect(verdict).toMatchObject({ trusted: false, code: 'verify/forked' });
    expect(verdict.checks.at(-1)).toMatchObject({ name: 'witnesses', passed: false });
  });
});

describe('a bundle', () => {
  it('carries the proofs of its statements', () => {
    const { world, vendor, published, signature } = walk();
    const release = world.log(
      world.signRelease(vendor, {
        applicationId: 'com-example-pump',
        version: '1',
        package: target,
        components: [],
        images: [],
      }),
    );
    const { initialRoot, ...trustRoot } = world.trustRoot(
      [published],
      {},
      {
        witnessing: { policy: TWO_OF_THREE, demand: 'required' },
      },
    );
    const artifacts = [{ ...target, manifest, signatures: [signature] }];
    const checkpoint = world.checkpoint([one, two]);
    const proofs = [signature, release].map((statement) => world.proof(statement, checkpoint));
    const question = { initialRoot, now: world.now };
    const verdict = (some: readonly Uint8Array[]) =>
      verifyEvidenceBundle(encodeEvidenceBundle({ trustRoot, release, artifacts, proofs: some }), question);
    expect(outcome(verdict(proofs))).toMatchObject({ hasQuorum: true });
    expect(outcome(verdict(proofs.slice(0, 1)))).toBe('verify/not-witnessed'); // the release has none
    expect(outcome(verdict(proofs.slice(1)))).toBe('verify/not-witnessed'); // the package has none
  });
});
