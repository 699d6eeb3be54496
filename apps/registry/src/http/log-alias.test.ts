import { describe, expect, it } from 'vitest';
import { toLogPath } from './log-alias.ts';

const ORIGIN = 'log.registry.example';

describe('toLogPath', () => {
  it.each([
    ['/api/v2/checkpoint', 'registry.example', '/log/checkpoint'],
    ['/api/v2/tile/0/x001/067', 'registry.example', '/log/tile/0/x001/067'],
    ['/checkpoint', 'log.registry.example', '/log/checkpoint'],
    ['/checkpoint?x=1', 'LOG.registry.example:8080', '/log/checkpoint?x=1'],
    ['/tile/entries/000.p/3', 'log.registry.example:443', '/log/tile/entries/000.p/3'],
  ])('takes %s at %s to %s', (url, host, expected) => {
    expect(toLogPath(url, host, ORIGIN)).toBe(expected);
  });

  it.each([
    ['/checkpoint', 'registry.example'],
    ['/tile/0/000', 'evil-log.registry.example'],
    ['/tile/0/000', 'log.registry.example.evil.example'],
    ['/checkpoint', undefined],
    ['/', 'log.registry.example'],
    ['/api/v2/log/entries', 'registry.example'],
    ['/api/v2/log.json', 'registry.example'],
    ['/api/v1/log', 'log.registry.example'],
    ['/checkpoints', 'log.registry.example'],
    ['/entries/x', 'log.registry.example'],
  ])('leaves %s at %s alone', (url, host) => {
    expect(toLogPath(url, host, ORIGIN)).toBe(url);
  });
});
