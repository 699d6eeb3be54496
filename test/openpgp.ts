import { createCleartextMessage, createMessage, generateKey, readPrivateKey, sign, type PrivateKey } from 'openpgp';

export interface TestOpenpgpKey {
  readonly armored: string;
  readonly fingerprint: string;
  /** Detached, without armor. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
  signText(text: string): Promise<string>;
}

/** A key with Ed25519, by openpgp.js; what GnuPG and Helm make is in test/vectors/openpgp and test/interop. */
export async function generateOpenpgpKey(at = new Date(Date.now() - 60_000)): Promise<TestOpenpgpKey> {
  const { privateKey, publicKey } = await generateKey({
    ...{ userIDs: { name: 'Test', email: 'test@example.com' }, type: 'ecc', curve: 'ed25519Legacy', date: at },
  });
  const signingKeys: PrivateKey = await readPrivateKey({ armoredKey: privateKey });
  return {
    armored: publicKey.replaceAll('\r\n', '\n'),
    fingerprint: signingKeys.getFingerprint(),
    sign: async (bytes) =>
      (await sign({
        ...{ message: await createMessage({ binary: bytes }), signingKeys, detached: true, format: 'binary', date: at },
      })) as Uint8Array,
    signText: async (text) => sign({ message: await createCleartextMessage({ text }), signingKeys, date: at }),
  };
}

/** Armored. */
export async function makeOpenpgpKey(): Promise<string> {
  return (await generateOpenpgpKey()).armored;
}
