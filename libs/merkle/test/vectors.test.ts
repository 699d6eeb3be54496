import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  MerkleFault,
  rootFromInclusion,
  verifyConsistency,
  verifySubtreeConsistency,
  verifySubtreeInclusion,
  type Hash,
} from '../src/index.ts';

/** The 518 cases of transparency-dev/merkle; origin in test/vectors/README.md. */
const VECTORS = join(import.meta.dirname, '../../../test/vectors/tlog/rfc6962-merkle');

interface Case {
  wantErr: boolean;
  numbers: Map<string, bigint>;
  hash(name: string): Hash;
  proof: Hash[];
}

const CHECKS: Record<string, { count: number; run: (c: Case) => void }> = {
  inclusion: {
    count: 98,
    run: (c) => {
      const root = rootFromInclusion(c.hash('leafHash'), number(c, 'leafIdx'), number(c, 'treeSize'), c.proof);
      if (!Buffer.from(root).equals(c.hash('root'))) throw new MerkleFault('merkle/root-mismatch', 'Another root.');
    },
  },
  consistency: {
    count: 98,
    run: (c) => verifyConsistency(number(c, 'size1'), c.hash('root1'), number(c, 'size2'), c.hash('root2'), c.proof),
  },
  subtreeinclusion: {
    count: 204,
    run: (c) =>
      verifySubtreeInclusion(
        c.hash('leafHash'),
        number(c, 'leafIdx'),
        number(c, 'start'),
        number(c, 'end'),
        c.hash('root'),
        c.proof,
      ),
  },
  subtreeconsistency: {
    count: 118,
    run: (c) =>
      verifySubtreeConsistency(
        number(c, 'start'),
        number(c, 'end'),
        number(c, 'size'),
        c.hash('root1'),
        c.hash('root2'),
        c.proof,
      ),
  },
};

describe.each(Object.entries(CHECKS))('published %s cases', (folder, { count, run }) => {
  const files = readdirSync(join(VECTORS, folder), { recursive: true, encoding: 'utf8' }).filter((f) =>
    f.endsWith('.json'),
  );

  it(`are ${count}`, () => {
    expect(files).toHaveLength(count);
  });

  it.each(files)('%s', (file) => {
    const test = readCase(join(VECTORS, folder, file));
    if (test.wantErr) expect(() => run(test)).toThrow(MerkleFault);
    else run(test);
  });
});

function readCase(file: string): Case {
  const text = readFileSync(file, 'utf8');
  const json = JSON.parse(text) as Record<string, unknown>;
  const bytes = (base64: unknown): Hash => new Uint8Array(Buffer.from(String(base64), 'base64'));
  return {
    wantErr: json['wantErr'] === true,
    // Some sizes exceed what JSON.parse keeps exact.
    numbers: new Map([...text.matchAll(/"(\w+)": (\d+)/g)].map(([, name, digits]) => [name!, BigInt(digits!)])),
    hash: (name) => (json[name] ? bytes(json[name]) : new Uint8Array(0)),
    proof: ((json['proof'] ?? []) as unknown[]).map(bytes),
  };
}

function number(test: Case, name: string): bigint {
  const value = test.numbers.get(name);
  if (value === undefined) throw new Error(`The vector has no ${name}.`);
  return value;
}
