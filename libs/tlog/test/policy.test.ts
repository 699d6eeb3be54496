import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '@margo-trust/fault';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import {
  encodeNote,
  encodePolicy,
  encodeVerifierKey,
  isQuorum,
  parsePolicy,
  verifyWitnessed,
  type VerifierKey,
} from '../src/index.ts';
import { logSigner, mlDsaSigner, refusal, utf8, witnessSigner } from './signers.ts';

const ORIGIN = 'log.example';
const TEXT = `${ORIGIN}\n42\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n`;
const vkeyOf = ({ name, publicKey, type }: VerifierKey) => encodeVerifierKey(name, publicKey, type);

const log = logSigner(ORIGIN);
const X = [1, 2, 3].map((n) => witnessSigner(`x.example/${n}`));
const Y = [mlDsaSigner('y.example/1'), witnessSigner('y.example/2')];
const vkeys = [...X, ...Y].map(({ key }) => vkeyOf(key));

/** The example of the specification, with keys. */
const EXAMPLE = `# two organisations
log ${vkeyOf(log.key)} https://log.example/

witness X1 ${vkeys[0]} https://x1.example/w
witness X2 ${vkeys[1]}
 witness\tX3  ${vkeys[2]}
group X-witnesses 2 X1 X2 X3
witness Y1 ${vkeys[3]}
witness Y2 ${vkeys[4]}
group Y-witnesses any Y1 Y2
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`;

describe('a policy', () => {
  const policy = parsePolicy(utf8(EXAMPLE));

  it('is the example of the specification', () => {
    expect(policy.logs).toEqual([{ key: log.key, url: 'https://log.example/' }]);
    expect(policy.witnesses.map(({ name }) => name)).toEqual(['X1', 'X2', 'X3', 'Y1', 'Y2']);
    expect(policy.witnesses[0]?.url).toBe('https://x1.example/w');
    expect(policy.groups.map(({ name, threshold }) => [name, threshold])).toEqual([
      ['X-witnesses', 2],
      ['Y-witnesses', 1],
      ['X-and-Y', 2],
    ]);
    expect(policy.quorum).toBe('X-and-Y');
    expect(parsePolicy(encodePolicy(policy))).toEqual(policy);
  });

  it.each([
    [['X1', 'X2', 'Y1'], true],
    [['X1', 'X3', 'Y2'], true],
    [['X1', 'X2', 'X3', 'Y1', 'Y2'], true],
    [['X1', 'X2', 'X3'], false],
    [['X1', 'Y1', 'Y2'], false],
    [['X1', 'X1', 'Y1'], false],
    [['Y1', 'Y2', 'nobody'], false],
    [[], false],
  ])('counts %j', (names, expected) => {
    expect(isQuorum(policy, names)).toBe(expected);
  });

  it('may ask for one witness, or for none', () => {
    const one = parsePolicy(utf8(`witness W ${vkeys[0]}\nwitness V ${vkeys[1]}\nquorum W\n`));
    expect([isQuorum(one, ['W']), isQuorum(one, ['V'])]).toEqual([true, false]);
    const none = parsePolicy(utf8(`witness W ${vkeys[0]}\nquorum none\n`));
    expect(isQuorum(none, [])).toBe(true);
  });

  const key = `witness W ${vkeys[0]}\n`;
  it.each([
    ['no quorum', key],
    ['two quorums', `${key}quorum W\nquorum W\n`],
    ['an unknown quorum', 'quorum W\n'],
    ['a quorum before its witness', `quorum W\n${key}`],
    ['no last line feed', `${key}quorum W`],
    ['a carriage return', `${key}quorum W\r\n`],
    ['an unknown keyword', `${key}mirror W\nquorum W\n`],
    ['a name twice', `${key}witness W ${vkeys[1]}\nquorum W\n`],
    ['a witness key twice', `${key}witness V ${vkeys[0]}\nquorum W\n`],
    ['a log key twice', `log ${vkeyOf(log.key)}\nlog ${vkeyOf(log.key)}\nquorum none\n`],
    ['a witness called none', `witness none ${vkeys[0]}\nquorum none\n`],
    ['a group called none', `${key}group none any W\nquorum none\n`],
    ['none in a group', `${key}group G any W none\nquorum G\n`],
    ['a group without members', 'group G any\nquorum G\n'],
    ['a group of a group below', `${key}group G any H\ngroup H any W\nquorum G\n`],
    ['a group in itself', `${key}group G any G\nquorum G\n`],
    ['a member of two groups', `${key}group G any W\ngroup H any W\nquorum G\n`],
    ['a member twice', `${key}group G 2 W W\nquorum G\n`],
    ['a threshold of 0', `${key}group G 0 W\nquorum G\n`],
    ['a threshold above the members', `${key}group G 2 W\nquorum G\n`],
    ['a threshold with a zero before it', `${key}group G 01 W\nquorum G\n`],
    ['a log key as witness', `witness W ${vkeyOf(log.key)}\nquorum W\n`],
    ['a witness key as log', `log ${vkeys[0]}\nquorum none\n`],
    ['a malformed key', 'witness W x+00000000+AAAA\nquorum W\n'],
    ['a third word for a log', `log ${vkeyOf(log.key)} u v\nquorum none\n`],
    ['257 witnesses', manyWitnesses(257)],
  ])('is refused with %s', (_, text) => {
    expect(() => parsePolicy(utf8(text))).toThrow(refusal('tlog/bad-policy'));
  });

  it('says in which line it is wrong, and takes 32 of everything', () => {
    expect(() => parsePolicy(utf8(`# x\n${key}quorum V\n`))).toThrow('Line 3: V is not defined above.');
    expect(parsePolicy(utf8(manyWitnesses(32))).witnesses).toHaveLength(32);
  });

  it('is refused when it is not UTF-8 or larger than a mebibyte', () => {
    expect(() => parsePolicy(Uint8Array.of(0x23, 0xff, 0x0a))).toThrow(refusal('tlog/bad-policy'));
    expect(() => parsePolicy(new Uint8Array((1 << 20) + 1).fill(0x0a))).toThrow(refusal('tlog/bad-policy'));
  });

  it('is a value or a fault, whatever the bytes', () => {
    const pieces = fc.constantFrom(
      'log',
      'witness',
      'group',
      'quorum',
      'none',
      'all',
      ' ',
      '\n',
      'W',
      vkeys[0]!,
      '2',
      '#',
      '\u00e9',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
        try {
          const found = parsePolicy(utf8(parts.join('')));
          expect(parsePolicy(encodePolicy(found))).toEqual(found);
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
        }
      }),
    );
  });
});

describe('a checkpoint under a policy', () => {
  const policy = parsePolicy(utf8(EXAMPLE));
  const noteBy = (...signers: { sign(text: string): never | ReturnType<typeof log.sign> }[]) =>
    encodeNote({ text: TEXT, signatures: signers.map((signer) => signer.sign(TEXT)) });
  const verify = (note: Uint8Array, under = policy) => verifyWitnessed(note, under, verifyMlDsa44);

  it('is valid with the log and a quorum, and says who they are', () => {
    const {
      checkpoint,
      log: signers,
      cosigners,
    } = verify(noteBy(log, X[0]!, X[2]!, Y[0]!, witnessSigner('z.example')));
    expect(checkpoint.size).toBe(42n);
    expect(signers).toEqual([log.key]);
    expect(cosigners.map(({ name }) => name)).toEqual(['X1', 'X3', 'Y1']);
  });

  it('is refused without quorum, without the log, and for another log', () => {
    expect(() => verify(noteBy(log, X[0]!, Y[0]!))).toThrow(refusal('tlog/no-quorum'));
    expect(() => verify(noteBy(log, X[0]!, X[0]!, Y[0]!))).toThrow(refusal('tlog/no-quorum'));
    expect(() => verify(noteBy(...X, ...Y))).toThrow(refusal('tlog/unknown-signer'));
    const other = { ...policy, logs: [{ key: logSigner('other.example').key }] };
    expect(() => verify(noteBy(log, ...X, ...Y), other)).toThrow(refusal('tlog/unknown-log'));
  });

  it('is refused when a listed witness signed something else, even beside a quorum', () => {
    const wrong = { sign: () => X[1]!.sign(TEXT.replace('42', '43')) };
    expect(() => verify(noteBy(log, X[0]!, X[2]!, Y[0]!, wrong))).toThrow(refusal('tlog/bad-signature'));
  });
});

function manyWitnesses(count: number): string {
  const lines = Array.from({ length: count }, (_, i) => {
    const publicKey = new Uint8Array(32);
    new DataView(publicKey.buffer).setUint32(0, i);
    return `witness w${i} ${encodeVerifierKey('w.example', publicKey, 4)}\n`;
  });
  return `${lines.join('')}quorum none\n`;
}
