import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readConfig } from '../../apps/registry/src/config.ts';

const root = join(import.meta.dirname, '../..');

interface Service {
  environment: Record<string, string>;
  command?: string[];
  build?: { dockerfile_inline: string };
  volumes: string[];
  depends_on?: Record<string, unknown>;
}

/** Anchors merged, as Docker Compose reads it. */
const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
  services: Record<'postgres' | 'registry' | 'worker', Service>;
  volumes: Record<string, unknown>;
};

/** What an operator sets, so that `${NAME:?…}` and `${NAME:-…}` get their values. */
const OPERATOR: Record<string, string> = {
  PUBLIC_URL: 'https://trust.example',
  REGISTRY_DOMAIN: 'trust.example',
  OIDC_ISSUER: 'https://login.example',
  GOVERNANCE_MEMBERS: 'subject-1,subject-2',
  POSTGRES_PASSWORD: 'secret',
};

function interpolate(text: string): string {
  return text.replace(/\$\{(\w+)(?::([?-])([^}]*))?\}/g, (_all, name: string, operator?: string, rest?: string) => {
    const value = OPERATOR[name];
    if (value !== undefined) return value;
    if (operator === '-') return rest ?? '';
    throw new Error(`${name} is required and not set.`);
  });
}

function environmentOf(service: Service): Record<string, string> {
  return Object.fromEntries(Object.entries(service.environment).map(([name, text]) => [name, interpolate(text)]));
}

describe('docker-compose.yml', () => {
  const { postgres, registry, worker } = compose.services;

  it('runs PostgreSQL, processes that answer, and one for the dated work', () => {
    expect(Object.keys(compose.services).sort()).toEqual(['postgres', 'registry', 'worker']);
    expect(registry.depends_on).toHaveProperty('postgres');
    expect(worker.depends_on).toHaveProperty('postgres');
    expect(Object.keys(compose.volumes)).toEqual([postgres.volumes[0]?.split(':')[0]]);
  });

  it.each([
    ['registry', registry, 'api'],
    ['worker', worker, 'worker'],
  ])('gives the %s an environment that production accepts', (_name, service, role) => {
    const env = {
      ...environmentOf(service),
      ...(service.command?.includes('apps/registry/dist/main-worker.js') && { ROLE: 'worker' }),
    };
    const { config, secrets } = readConfig(env);
    expect(config).toMatchObject({ mode: 'production', role, port: 8080, domain: 'trust.example' });
    expect(config.governanceMembers).toHaveLength(2);
    expect(secrets.databaseUrl).toContain('@postgres:5432/');
  });

  it('sets no variable that the service does not read', () => {
    const source = readFileSync(join(root, 'apps/registry/src/config.ts'), 'utf8');
    const known = new Set([...source.matchAll(/\(env, '([A-Z0-9_]+)'/g)].map(([, name]) => name));
    const set = [...Object.keys(registry.environment), ...Object.keys(worker.environment)];
    expect(set.filter((name) => !known.has(name))).toEqual([]);
  });

  it('starts what the build makes', () => {
    const recipe = registry.build?.dockerfile_inline ?? '';
    const started = [...recipe.matchAll(/CMD \["node", "([^"]+)"\]/g)].map(([, path = '']) => path);
    for (const path of [...started, worker.command?.[1] ?? '']) {
      expect(existsSync(join(root, path.replace('/dist/', '/src/').replace(/\.js$/, '.ts')))).toBe(true);
    }
  });

  it('copies only what exists, and never the whole checkout', () => {
    const recipe = registry.build?.dockerfile_inline ?? '';
    const copied = [...recipe.matchAll(/^COPY (?!--)(.+) \S+$/gm)].flatMap(([, sources = '']) => sources.split(' '));
    expect(copied).not.toContain('.');
    expect(copied.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

describe('nest-cli.json', () => {
  it('names a project that exists', () => {
    const nest = JSON.parse(readFileSync(join(root, 'nest-cli.json'), 'utf8')) as {
      monorepo: boolean;
      projects: Record<string, { sourceRoot: string; entryFile: string; compilerOptions: { tsConfigPath: string } }>;
    };
    expect(nest.monorepo).toBe(true);
    for (const { sourceRoot, entryFile, compilerOptions } of Object.values(nest.projects)) {
      expect(existsSync(join(root, sourceRoot, `${entryFile}.ts`))).toBe(true);
      expect(existsSync(join(root, compilerOptions.tsConfigPath))).toBe(true);
    }
  });
});
