import type { Module } from './module.ts';

/** Attribute types (PKCS#11 §4) that we ask for or set. */
export const CKA = {
  class: 0x000,
  token: 0x001,
  private: 0x002,
  label: 0x003,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  sign: 0x108,
  verify: 0x10a,
  extractable: 0x162,
  ecParams: 0x180,
  ecPoint: 0x181,
} as const;

export type AttributeType = (typeof CKA)[keyof typeof CKA];
export type Attribute = readonly [type: AttributeType, value: Buffer];

/** CK_BBOOL and CK_ULONG. */
export const bool = (value: boolean): Buffer => Buffer.of(value ? 1 : 0);
export const ulong = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

/** An array of CK_ATTRIBUTE: type, address, length. The values must stay referenced while it is in use: pass them along. */
export function template({ addressOf }: Module, attributes: readonly Attribute[]): Buffer {
  const bytes = Buffer.alloc(attributes.length * ATTRIBUTE_BYTES);
  attributes.forEach(([type, value], i) => {
    bytes.writeBigUInt64LE(BigInt(type), i * ATTRIBUTE_BYTES);
    bytes.writeBigUInt64LE(addressOf(value), i * ATTRIBUTE_BYTES + 8);
    bytes.writeBigUInt64LE(BigInt(value.length), i * ATTRIBUTE_BYTES + 16);
  });
  return bytes;
}

/** Values of an object's attributes, each of at most 1 KiB; the token gives them in the order asked for. */
export async function readAttributes(
  module: Module,
  session: bigint,
  object: bigint,
  types: readonly AttributeType[],
): Promise<Buffer[]> {
  const values = types.map((type): Attribute => [type, Buffer.alloc(1_024)]);
  const asked = template(module, values);
  await module.call.GetAttributeValue(session, object, asked, values.length);
  return values.map(([, value], i) => {
    const length = asked.readBigUInt64LE(i * ATTRIBUTE_BYTES + 16);
    return value.subarray(0, length > 1_024n ? 0 : Number(length)); // all ones: not available
  });
}

const ATTRIBUTE_BYTES = 24;
