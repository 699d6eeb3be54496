import { Injectable } from '@nestjs/common';
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
import { encodeHex } from '@margo-trust/bytes';
import { Clock } from '../clock.ts';
import { Db } from '../db/db.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { authoritySlot } from '../keys/slots.ts';
import { Random } from '../random.ts';
import { wholeSeconds } from '../wire-time.ts';
import { CertificateReader } from './certificate.reader.ts';

/** The one policy we stamp under, beside the three of certificates in the same arc. */
export const TIMESTAMP_POLICY = `${DEFAULT_POLICY_ARC}.10`;

const MAX_DRIFT_MS = 2_000;

/**
 * Answers a time-stamp query (RFC 3161 §2.4): always with a TimeStampResp, which says itself whether it grants or rejects.
 *
 * No stamp is better than a wrong one: it rejects when this host's clock has stepped back behind a stamp it has given, or
 * differs from the database's by more than two seconds.
 */
@Injectable()
export class IssueTimestamp {
  private latest = 0;

  constructor(
    private readonly db: Db,
    private readonly reader: CertificateReader,
    private readonly keys: KeyRing,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** `query` comes from anybody. */
  async run(query: Uint8Array): Promise<Uint8Array> {
    const request = readQuery(query);
    if (typeof request === 'string') return reject(request, 'The query is not one that can be stamped.');
    if (request.policy !== undefined && request.policy !== TIMESTAMP_POLICY) {
      return reject('unacceptedPolicy', `Stamps are made under policy ${TIMESTAMP_POLICY} only.`);
    }
    const { name, certificate: tsaCertificate } = await this.reader.loadActive('tsa');
    const genTime = await this.findTime();
    if (genTime === undefined || genTime < tsaCertificate.notBefore || genTime > tsaCertificate.notAfter) {
      return reject('timeNotAvailable', 'The clock cannot be relied on now. Try again later.');
    }

    const { hash, imprint, nonce, certReq: includeCertificate } = request;
    const { toBeSigned, finish } = draftTimestampToken({
      ...{ hash, imprint, genTime, tsaCertificate, includeCertificate },
      policy: TIMESTAMP_POLICY,
      serial: BigInt(`0x${encodeHex(shapeSerial(this.random.bytes(16)))}`),
      ...(nonce !== undefined && { nonce }),
    });
    return encodeTimestampResponse({ token: finish(await this.keys.load(authoritySlot(name)).sign(toBeSigned)) });
  }

  /** The time in whole seconds, unless there is reason to doubt it. */
  private async findTime(): Promise<Date | undefined> {
    const reference = await this.db.loadTime();
    const now = this.clock.now();
    if (Math.abs(now.getTime() - reference.getTime()) > MAX_DRIFT_MS) return undefined;
    const time = wholeSeconds(now);
    if (time.getTime() < this.latest) return undefined;
    this.latest = time.getTime();
    return time;
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

function reject(failure: TimestampFailure, text: string): Uint8Array {
  return encodeTimestampResponse({ failure, text });
}
