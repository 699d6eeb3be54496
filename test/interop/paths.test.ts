/**
 * `verifyPath` beside `openssl verify` on generated certification paths (RFC 5280 §6). In each something is planted whose
 * answer is known: ours must be that one, with its code, and where OpenSSL's is another there must be a reason.
 */
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { beforeAll, describe, expect, it } from 'vitest';
import { TEST_DAY } from '@margo-trust/testkit';
import { OID, STRENGTH, verifyPath, X509Fault, type X509FaultCode } from '@margo-trust/x509';
import { client, run } from './harness.ts';
import { Dice, Keys, sign, soundDraft, type Chain } from './paths/draft.ts';
import { askOpenssl, type Verdict } from './paths/openssl.ts';
import { PLANTS, TOGETHER, type Plant } from './paths/plants.ts';

/** With 20,000 and `-u` the page in docs is written. */
const COUNT = Number(process.env['MARGO_ORACLE_CHAINS'] ?? 1000);
const FULL = 20_000;
const CHAINS_A_ROUND = 2000;

interface Outcome {
  readonly plants: readonly Plant[];
  readonly ours: X509FaultCode | undefined;
  readonly openssl: Verdict;
}

const outcomes: Outcome[] = [];

beforeAll(async () => {
  const keys = new Keys();
  const dice = new Dice(5280);
  for (let first = 0; first < COUNT; first += CHAINS_A_ROUND) {
    const ids = Array.from({ length: Math.min(CHAINS_A_ROUND, COUNT - first) }, (_, i) => first + i);
    const made = ids.map((id) => makeChain(id, dice, keys));
    const verdicts = await askOpenssl(made.map(({ chain }) => chain));
    made.forEach(({ plants, chain }, i) =>
      outcomes.push({ plants, ours: ourAnswer(chain), openssl: verdicts[i] as Verdict }),
    );
  }
}, 3_600_000);

describe('verifyPath beside openssl verify', () => {
  it('gives the answer that is right, each time', () => {
    const wrong = outcomes.filter(({ plants, ours }) => !isRight(plants, ours));
    expect(count(wrong.map(({ plants, ours }) => `${titleOf(plants)}: ${ours ?? 'valid'}`))).toEqual({});
  });

  it('differs from openssl only where there is a reason', () => {
    const unexplained = disagreements().filter(({ plants }) => reasonFor(plants) === undefined);
    expect(count(unexplained.map(({ plants, openssl }) => `${titleOf(plants)}: ${openssl.words || 'OK'}`))).toEqual({});
  });

  it('has a reason for nothing that does not happen', () => {
    const seen = new Set(disagreements().flatMap(({ plants }) => plants));
    const idle = PLANTS.filter((plant) => plant.differs !== undefined && !seen.has(plant));
    expect(idle.map((plant) => titleOf([plant]))).toEqual([]);
  });

  // Not skipped otherwise: what is skipped keeps the matrix of clients from being compared.
  it.each(COUNT === FULL ? ['docs/conformance/openssl-verify.md'] : [])(
    'is told in %s, which `-u` writes',
    async () => {
      const path = fileURLToPath(new URL('../../docs/conformance/openssl-verify.md', import.meta.url));
      const page = await format(await pageOf(), { ...(await resolveConfig(path)), parser: 'markdown' });
      await expect(page).toMatchFileSnapshot(path);
    },
  );
});

/** One thing planted, in turn so that each gets its share; in every fourth chain some that both verifiers judge alike. */
function makeChain(id: number, dice: Dice, keys: Keys): { plants: readonly Plant[]; chain: Chain } {
  const plants = id % 4 === 3 ? mixture(dice) : [PLANTS[(id - Math.floor(id / 4)) % PLANTS.length] as Plant];
  const question = {
    crls: dice.isLucky(30),
    eku: dice.isLucky(50),
    ...Object.assign({}, ...plants.map((plant) => plant.question)),
  };
  const draft = soundDraft(id, dice, keys, question);
  for (const { plant } of plants) plant(draft, dice, keys);
  return { plants, chain: sign(draft) };
}

/** Two or three things, harmless or not, asked in one way, and one at most that changes the shape of the path. */
function mixture(dice: Dice): Plant[] {
  const chosen: Plant[] = [];
  const size = 2 + dice.roll(2);
  while (chosen.length < size) {
    chosen.push(dice.pick(ALIKE.filter((plant) => chosen.every((other) => goesWith(other, plant)))));
  }
  return chosen.sort((a, b) => Number(a.reshapes ?? false) - Number(b.reshapes ?? false));
}

/** Spoilt encodings need a leaf as it was made, and are refused whatever else there is. */
const ALIKE = PLANTS.filter(({ differs, chapter }) => differs === undefined && chapter !== 'encoding');

function goesWith(a: Plant, b: Plant): boolean {
  const [ofA, ofB] = [a.question ?? {}, b.question ?? {}];
  const areAskedAlike = (['crls', 'eku', 'policies'] as const).every(
    (key) => ofA[key] === undefined || ofB[key] === undefined || JSON.stringify(ofA[key]) === JSON.stringify(ofB[key]),
  );
  return a !== b && areAskedAlike && !(a.reshapes && b.reshapes);
}

function ourAnswer({ leaf, root, intermediates, crls, question }: Chain): X509FaultCode | undefined {
  try {
    verifyPath({
      ...{ leaf, intermediates, anchors: [root], at: TEST_DAY, strength: STRENGTH['device-idevid'] },
      ...(question.eku ? { eku: OID.clientAuth } : {}),
      ...(question.crls ? { crls, staleCrl: 'refuse' } : {}),
      ...(question.policies ? { policies: question.policies } : {}),
    });
    return undefined;
  } catch (error) {
    if (error instanceof X509Fault) return error.code;
    throw error;
  }
}

/** What several things come to together is not known beforehand: one may undo another. There, openssl alone is the judge. */
function isRight(plants: readonly Plant[], ours: X509FaultCode | undefined): boolean {
  return plants.length > 1 || ours === plants[0]?.answer;
}

function disagreements(): Outcome[] {
  return outcomes.filter(({ ours, openssl }) => (ours === undefined) !== openssl.isValid);
}

function reasonFor(plants: readonly Plant[]): string | undefined {
  if (plants.length === 1) return plants[0]?.differs;
  const titles = plants.map((plant) => titleOf([plant]));
  return TOGETHER.find(({ planted }) => planted.every((part) => titles.some((title) => part.test(title))))?.differs;
}

function titleOf(plants: readonly Plant[]): string {
  return plants.map(({ chapter, name }) => `${chapter}: ${name}`).join(' and ');
}

function count(titles: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const title of titles) counts[title] = (counts[title] ?? 0) + 1;
  return counts;
}

async function pageOf(): Promise<string> {
  const { stdout } = await run(client('openssl'), ['version']);
  const version = stdout.split(' ').slice(0, 2).join(' ');
  const single = outcomes.filter(({ plants }) => plants.length === 1);
  const mixed = outcomes.filter(({ plants }) => plants.length > 1);
  const of = (plant: Plant) => single.filter(({ plants }) => plants[0] === plant);
  const square = (some: readonly Outcome[]) => {
    const number = (ours: boolean, theirs: boolean) =>
      some.filter(({ ours: code, openssl }) => (code === undefined) === ours && openssl.isValid === theirs).length;
    return `| | OpenSSL accepts | OpenSSL refuses |
|---|---|---|
| we accept | ${number(true, true)} | ${number(true, false)} |
| we refuse | ${number(false, true)} | ${number(false, false)} |`;
  };
  const differing = disagreements();
  const reasons = PLANTS.filter(({ differs }) => differs !== undefined).map((plant) => {
    const times = differing.filter(({ plants }) => plants.length === 1 && plants[0] === plant).length;
    return `| ${plant.chapter} | ${plant.name} | ${answerOf(plant)} | ${times} of ${of(plant).length} | ${plant.differs} |`;
  });
  const together = TOGETHER.map(({ planted, differs }) => {
    const times = differing.filter(({ plants }) => plants.length > 1 && reasonFor(plants) === differs).length;
    return `| ${planted.map(({ source }) => `\`${source.replaceAll('|', '\\|')}\``).join(' and ')} | ${times} | ${differs} |`;
  });
  const rows = PLANTS.map((plant) => {
    const some = of(plant);
    const accepted = some.filter(({ openssl }) => openssl.isValid).length;
    return `| ${plant.chapter} | ${plant.name} | ${some.length} | ${answerOf(plant)} | ${accepted} |`;
  });
  return `# Paths beside openssl verify

${outcomes.length.toLocaleString('en')} certification paths of three to six certificates, judged by \`verifyPath\` of [libs/x509](../../libs/x509/README.md) and by
\`openssl verify\` (${version}; security level 2, policies checked, with CRLs all certificates and \`-extended_crl\`, purpose \`sslclient\` or none).
In three of four one thing is planted, harmless or a defect, whose answer is known: ours was that one each time, with its code. In
the others two or three things come together, and OpenSSL alone is the judge.

Written by \`MARGO_ORACLE_CHAINS=${FULL} npm run interop -- paths -u\`; \`npm run interop\` judges 1,000 in the same way and refuses a
disagreement without a reason.

One thing planted, ${single.length.toLocaleString('en')} paths:

${square(single)}

Several, ${mixed.length.toLocaleString('en')} paths:

${square(mixed)}

## Every disagreement

| about | planted | we say | they differ in | because OpenSSL |
|---|---|---|---|---|
${reasons.join('\n')}

| planted together | times | because OpenSSL |
|---|---|---|
${together.join('\n')}

## Everything planted

| about | planted | paths | we say | OpenSSL accepts |
|---|---|---|---|---|
${rows.join('\n')}
`;
}

function answerOf({ answer }: Plant): string {
  return answer ? `\`${answer}\`` : 'valid';
}
