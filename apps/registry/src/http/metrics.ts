import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface Figure {
  readonly name: string;
  readonly help: string;
}

type Read = () => number | Promise<number>;

/**
 * What Prometheus reads at /metrics: one for the process, whatever applications it is made of. Areas register their own figures in `registry`,
 * in base units. What is measured of each log has a label `log`, its origin: a registry has 64 logs at most.
 */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  private readonly gauges = new Map<string, Map<string, Read>>();
  private readonly counters = new Map<string, Counter>();

  private readonly requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to answer, by method, first part of the path and status.',
    labelNames: ['method', 'area', 'status'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Shows what `read` says of a log whenever somebody looks. Returns what ends that, for when the log is no longer served. */
  gaugeOfLog(figure: Figure, log: string, read: Read): () => void {
    const readers = this.gauges.get(figure.name) ?? this.registerGauge(figure);
    readers.set(log, read);
    return () => {
      if (readers.get(log) === read) readers.delete(log);
    };
  }

  /** Returns what counts one more of a log, by further labels. */
  counterOfLog<Label extends string>(
    figure: Figure & { readonly labelNames: readonly Label[] },
    log: string,
  ): (labels: Readonly<Record<Label, string>>) => void {
    const { name, help, labelNames } = figure;
    const known = this.counters.get(name);
    const counter =
      known ?? new Counter({ name, help, labelNames: ['log', ...labelNames], registers: [this.registry] });
    this.counters.set(name, counter);
    return (labels) => counter.inc({ log, ...labels });
  }

  private registerGauge({ name, help }: Figure): Map<string, Read> {
    const readers = new Map<string, Read>();
    const gauge: Gauge = new Gauge({
      ...{ name, help, labelNames: ['log'], registers: [this.registry] },
      collect: async () => {
        const values = await Promise.all(Array.from(readers, async ([log, read]) => [log, await read()] as const));
        gauge.reset();
        for (const [log, value] of values) gauge.set({ log }, value);
      },
    });
    this.gauges.set(name, readers);
    return readers;
  }

  requestAnswered(method: string, path: string, status: number, seconds: number): void {
    this.requests.observe({ method: METHODS.has(method) ? method : 'other', area: areaOf(path), status }, seconds);
  }
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']);
const AREAS = new Set(['api', 'entries', '.well-known', 'log', 'logs', 'tuf', 'crl', 'ca', 'tsa', 'docs', 'oidc']);

/** A closed set: a label that callers could invent would fill the memory. */
function areaOf(path: string): string {
  const first = path.split('/', 2)[1] ?? '';
  return AREAS.has(first) ? first : 'other';
}
