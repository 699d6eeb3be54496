import {
  contextTag,
  derGeneralizedTime,
  derInteger,
  derOid,
  derSequence,
  openDer,
  readDer,
  readBoolean,
  readOid,
  readSmallInteger,
  readTime,
  readUnsigned,
  TAG,
  type DerNode,
} from '@margo-trust/x509';
import { malformed, TimestampFault } from './fault.ts';
import { encodeImprint, readImprint, type MessageImprint } from './imprint.ts';

/** TSTInfo (RFC 3161 §2.4.2): what the authority signs. */
export interface TstInfo extends MessageImprint {
  /** Object identifier. */
  readonly policy: string;
  readonly serial: bigint;
  /** To the millisecond; ours are whole seconds. */
  readonly genTime: Date;
  /** How far the true time may be from `genTime`, to either side, in seconds. Not said in every stamp. */
  readonly accuracySeconds?: number;
  readonly nonce?: bigint;
}

/** Ordering and the authority's name are passed over: they change nothing about the time. */
export function parseTstInfo(der: Uint8Array): TstInfo {
  const cursor = openDer(readDer(der, TAG.sequence));
  if (readSmallInteger(cursor.next(TAG.integer)) !== 1) throw malformed('The time stamp has an unknown version.');
  const policy = readOid(cursor.next(TAG.oid));
  const imprint = readImprint(cursor.next(TAG.sequence));
  const serial = readUnsigned(cursor.next(TAG.integer));
  const genTime = readGenTime(cursor.next(TAG.generalizedTime));
  const accuracy = cursor.optional(TAG.sequence);
  const ordering = cursor.optional(TAG.boolean);
  if (ordering) readBoolean(ordering);
  const nonce = cursor.optional(TAG.integer);
  cursor.optional(contextTag(0, 'constructed'));
  // Whether critical or not: none is known, and a stamp that needs one is not for us.
  if (cursor.optional(contextTag(1, 'constructed'))) {
    throw new TimestampFault('timestamp/unsupported-extension', 'The time stamp has extensions.');
  }
  cursor.end();
  return {
    ...{ ...imprint, policy, serial, genTime },
    ...(accuracy && { accuracySeconds: readAccuracy(accuracy) }),
    ...(nonce && { nonce: readUnsigned(nonce) }),
  };
}

/** Seconds, and thousandths and millionths of them, each optional (RFC 3161 §2.4.2). */
function readAccuracy(node: DerNode): number {
  const cursor = openDer(node);
  const seconds = cursor.optional(TAG.integer);
  const [millis, micros] = [0, 1].map((tag) => cursor.optional(contextTag(tag, 'primitive')));
  cursor.end();
  const whole = seconds ? Number(readUnsigned(seconds)) : 0;
  const parts = [millis, micros].map((part) => (part ? readSmallInteger({ ...part, tag: TAG.integer }) : 0));
  if (parts.some((part) => part > 999)) throw malformed('The accuracy has a part beyond 999.');
  return whole + (parts[0] ?? 0) / 1e3 + (parts[1] ?? 0) / 1e6;
}

/** `genTime` and accuracy in whole seconds: some clients can't read fractions, and nobody's clock here is worth them. */
export function encodeTstInfo(info: TstInfo): Uint8Array {
  return derSequence(
    derInteger(1),
    derOid(info.policy),
    encodeImprint(info),
    derInteger(info.serial),
    derGeneralizedTime(info.genTime),
    ...(info.accuracySeconds === undefined ? [] : [derSequence(derInteger(info.accuracySeconds))]),
    ...(info.nonce === undefined ? [] : [derInteger(info.nonce)]),
  );
}

/** GeneralizedTime that may have a fraction without trailing zeros (RFC 3161 §2.4.2); cut to milliseconds. */
function readGenTime(node: DerNode): Date {
  const match = /^(\d{14})(?:\.(\d{0,8}[1-9]))?Z$/.exec(String.fromCharCode(...node.content.subarray(0, 32)));
  if (!match) throw malformed('The time is not in the form YYYYMMDDHHMMSS[.fff]Z.');
  const seconds = Uint8Array.from(`${match[1]}Z`, (char) => char.charCodeAt(0));
  const milliseconds = Number((match[2] ?? '').padEnd(3, '0').slice(0, 3));
  return new Date(readTime({ ...node, content: seconds }).getTime() + milliseconds);
}
