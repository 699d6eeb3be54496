import { describe, expect, it } from 'vitest';
import { routeToLog } from './log-route.ts';

const DOMAIN = 'registry.example';

describe('routeToLog', () => {
  it.each([
    ['/api/v2/checkpoint', 'registry.example', '/log/checkpoint'],
    ['/api/v2/tile/0/x001/067', 'registry.example', '/log/tile/0/x001/067'],
    ['/checkpoint', 'log.registry.example', '/log/checkpoint'],
    ['/checkpoint?x=1', 'LOG.registry.example:8080', '/log/checkpoint?x=1'],
    ['/tile/entries/000.p/3', 'log.registry.example:443', '/log/tile/entries/000.p/3'],
    ['/api/v2/checkpoint', 'log.registry.example', '/log/checkpoint'],
  ])('takes %s at %s to the first log’s %s', (url, host, expected) => {
    expect(routeToLog(url, host, DOMAIN)).toEqual({ url: expected });
  });

  it.each([
    ['/logs/2027/checkpoint', undefined, '/log/checkpoint'],
    ['/logs/2027/log.json?x', 'registry.example', '/log/log.json?x'],
    ['/logs/2027/entries', 'registry.example', '/entries'],
    ['/logs/2027/entries/abc/proof', 'registry.example', '/entries/abc/proof'],
    ['/logs/2027/.well-known/scitt-keys', 'registry.example', '/.well-known/scitt-keys'],
    ['/logs/2027/api/v2/log/entries', 'registry.example', '/api/v2/log/entries'],
    ['/logs/2027/api/v2/tile/0/000', 'registry.example', '/log/tile/0/000'],
    ['/logs/2027/entriesque', 'registry.example', '/log/entriesque'],
    ['/api/v1/logs/2027', 'registry.example', '/api/v1/log'],
    ['/api/v1/logs/2027/entries?limit=1', 'registry.example', '/api/v1/log/entries?limit=1'],
    ['/checkpoint', '2027.log.registry.example:443', '/log/checkpoint'],
    ['/log/log.json', '2027.LOG.registry.example', '/log/log.json'],
    ['/entries', '2027.log.registry.example', '/entries'],
    ['/api/v2/tile/0/000', '2027.log.registry.example', '/log/tile/0/000'],
    ['/api/v1/log/entries', '2027.log.registry.example', '/api/v1/log/entries'],
  ])('takes %s at %s to %s of the log of that name', (url, host, expected) => {
    expect(routeToLog(url, host, DOMAIN)).toEqual({ name: '2027', url: expected });
  });

  it.each([
    ['/checkpoint', 'registry.example'],
    ['/tile/0/000', 'evil-log.registry.example'],
    ['/tile/0/000', 'log.registry.example.evil.example'],
    ['/checkpoint', 'a.b.log.registry.example'],
    ['/checkpoint', undefined],
    ['/', 'log.registry.example'],
    ['/', '2027.log.registry.example'],
    ['/api/v2/log/entries', 'registry.example'],
    ['/api/v2/log.json', 'registry.example'],
    ['/api/v1/log', 'log.registry.example'],
    ['/api/v1/logs', '2027.log.registry.example'],
    ['/checkpoints', 'log.registry.example'],
    ['/entries/x', 'log.registry.example'],
    ['/logs/2027', 'registry.example'],
    ['/logs/UP/checkpoint', 'registry.example'],
    ['/logs/../log/checkpoint', 'registry.example'],
    ['/logs/a%2fb/checkpoint', 'registry.example'],
    ['/api/v1/logs', 'registry.example'],
    ['/api/v1/logs/preview', 'registry.example'],
    ['/api/v1/logs/proposals/abc/approvals', 'registry.example'],
  ])('leaves %s at %s alone', (url, host) => {
    expect(routeToLog(url, host, DOMAIN)).toEqual({ url });
  });
});
