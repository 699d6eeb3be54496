import { describe, expect, it } from 'vitest';
import { Metrics } from './metrics.ts';

const ENTRIES = { name: 'some_entries', help: 'Some.' };
const ANSWERS = { name: 'some_answers_total', help: 'Some.', labelNames: ['outcome'] } as const;

describe('what is measured of each log', () => {
  it('has one figure for all, by the log’s origin, and is read when somebody looks', async () => {
    const metrics = new Metrics();
    let entries = 1;
    metrics.gaugeOfLog(ENTRIES, 'log.example', () => entries);
    metrics.gaugeOfLog(ENTRIES, '2027.log.example', () => Promise.resolve(7));
    entries = 2;
    const text = await metrics.registry.metrics();
    expect(text.match(/^# HELP some_entries /gm)).toHaveLength(1);
    expect(text).toContain('some_entries{log="log.example"} 2\n');
    expect(text).toContain('some_entries{log="2027.log.example"} 7\n');
  });

  it('goes with the log that is no longer served, and not with one that took its name since', async () => {
    const metrics = new Metrics();
    const forget = metrics.gaugeOfLog(ENTRIES, '2027.log.example', () => 1);
    const forgetAgain = metrics.gaugeOfLog(ENTRIES, '2027.log.example', () => 2);
    forget();
    expect(await metrics.registry.metrics()).toContain('some_entries{log="2027.log.example"} 2\n');
    forgetAgain();
    expect(await metrics.registry.metrics()).not.toContain('some_entries{');
  });

  it('is counted by further labels', async () => {
    const metrics = new Metrics();
    const [first, other] = [
      metrics.counterOfLog(ANSWERS, 'log.example'),
      metrics.counterOfLog(ANSWERS, 'x.log.example'),
    ];
    first({ outcome: 'yes' });
    first({ outcome: 'yes' });
    other({ outcome: 'no' });
    const text = await metrics.registry.metrics();
    expect(text).toContain('some_answers_total{log="log.example",outcome="yes"} 2\n');
    expect(text).toContain('some_answers_total{log="x.log.example",outcome="no"} 1\n');
  });
});
