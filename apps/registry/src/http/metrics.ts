import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';

/** What Prometheus reads at /metrics. Areas register their own figures in `registry`, in base units. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

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

  requestAnswered(method: string, path: string, status: number, seconds: number): void {
    this.requests.observe({ method: METHODS.has(method) ? method : 'other', area: areaOf(path), status }, seconds);
  }
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']);
const AREAS = new Set(['api', 'entries', '.well-known', 'log', 'tuf', 'crl', 'ca', 'tsa', 'docs', 'oidc']);

/** A closed set: a label that callers could invent would fill the memory. */
function areaOf(path: string): string {
  const first = path.split('/', 2)[1] ?? '';
  return AREAS.has(first) ? first : 'other';
}
