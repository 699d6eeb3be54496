import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import {
  draftTimestampToken,
  encodeTimestampResponse,
  failureOf,
  parseTimestampRequest,
  TimestampFault,
  type TimestampFailure,
  type TimestampRequest,
} from '@margo-trust/timestamp';
import { DEFAULT_POLICY_ARC, shapeSerial } from '@margo-trust/x509';
import { Counter } from 'prom-client';
import { Metrics } from '../../http/metrics.ts';
import { KeyRing } from '../../keys/key-ring.ts';
import { authoritySlot } from '../../keys/slots.ts';
import { Random } from '../../random.ts';
import { CertificateReader } from '../certificate.reader.ts';
import { ClockGuard, MAX_DRIFT_MS } from './clock-guard.ts';

/** The one policy we stamp under, beside the three of certificates in the same arc. */
export const TIMESTAMP_POLICY = `${DEFAULT_POLICY_ARC}.10`;

/** What a stamp says of itself: the host's clock may be {@link MAX_DRIFT_MS} off, and a second is cut. */
const ACCURACY_SECONDS = MAX_DRIFT_MS / 1_000 + 1;

/**
 * Answers a time-stamp query (RFC 3161 §2.4): always with a TimeStampResp, which says itself whether it grants or rejects.
 * Stamps are in whole seconds, accurate to three, and not ordered: two of one second say nothing about which came first.
 */
@Injectable()
export class IssueTimestamp {
  private readonly answered: Counter<'outcome'>;

  constructor(
    private readonly guard: ClockGuard,
    private readonly reader: CertificateReader,
    private readonly keys: KeyRing,
    private readonly random: Random,
    metrics: Metrics,
  ) {
    this.answered = new Counter({
      name: 'timestamps_total',
      help: 'Time-stamp queries answered, by outcome: granted, or why not.',
      labelNames: ['outcome'],
      registers: [metrics.registry],
    });
  }

  /** `query`, a TimeStampReq in DER, comes from anybody. */
  async run(query: Uint8Array): Promise<Uint8Array> {
    const request = readQuery(query);
    return typeof request === 'string'
      ? this.reject(request, 'The query is not one that can be stamped.')
      : this.stamp(request);
  }

  /** The same for a request that came in another form. */
  async stamp(request: TimestampRequest): Promise<Uint8Array> {
    if (request.policy !== undefined && request.policy !== TIMESTAMP_POLICY) {
      return this.reject('unacceptedPolicy', `Stamps are made under policy ${TIMESTAMP_POLICY} only.`);
    }
    const [{ name, certificate: tsaCertificate }, genTime] = await Promise.all([
      this.reader.loadActive('tsa'),
      this.guard.tell(),
    ]);
    if (typeof genTime === 'string') return this.reject('timeNotAvailable', `${genTime} Try again later.`);
    if (genTime < tsaCertificate.notBefore || genTime > tsaCertificate.notAfter) {
      return this.reject('timeNotAvailable', 'The certificate of this authority is not valid now.');
    }

    const { hash, imprint, nonce, certReq: includeCertificate } = request;
    const { toBeSigned, finish } = draftTimestampToken({
      ...{ hash, imprint, genTime, tsaCertificate, includeCertificate },
      ...{ policy: TIMESTAMP_POLICY, accuracySeconds: ACCURACY_SECONDS },
      serial: BigInt(`0x${encodeHex(shapeSerial(this.random.bytes(16)))}`),
      ...(nonce !== undefined && { nonce }),
    });
    const token = finish(await this.keys.load(authoritySlot(name)).sign(toBeSigned));
    this.answered.inc({ outcome: 'granted' });
    return encodeTimestampResponse({ token });
  }

  private reject(failure: TimestampFailure, text: string): Uint8Array {
    this.answered.inc({ outcome: failure });
    return encodeTimestampResponse({ failure, text });
  }
}

function readQuery(query: Uint8Array): TimestampRequest | TimestampFailure {
  try {
    return parseTimestampRequest(query);
  } catch (error) {
    if (error instanceof TimestampFault) return failureOf(error);
    throw error;
  }
}
