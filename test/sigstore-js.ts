import { sign, type KeyObject } from 'node:crypto';
import { bundleToJSON } from '@sigstore/bundle';
import {
  DSSEBundleBuilder,
  MessageSignatureBundleBuilder,
  RekorWitness,
  type Signer,
  type Witness,
} from '@sigstore/sign';
import { encodeTimestampRequest } from '@margo-trust/timestamp';
import { sha256 } from '@margo-trust/crypto';

/** Who signs, and where: the registry's address; certificate in PEM. */
export interface SigstoreSigner {
  readonly registry: string;
  readonly key: KeyObject;
  readonly certificate: string;
}

/** A bundle over `data` as Sigstore's own library for JavaScript makes it: its signature logged and stamped by the registry. */
export async function signWithSigstoreJs(
  kind: 'message' | 'dsse',
  data: Uint8Array,
  { registry, key, certificate }: SigstoreSigner,
): Promise<object> {
  const signer: Signer = {
    sign: (bytes) =>
      Promise.resolve({ signature: sign('sha256', bytes, key), key: { $case: 'x509Certificate', certificate } }),
  };
  // Its TSAWitness sends JSON; our authority takes RFC 3161 queries, as cosign and notation send them.
  const stamp: Witness = {
    testify: async (content) => ({
      rfc3161Timestamps: [{ signedTimestamp: await ask(registry, signatureOf(content)) }],
    }),
  };
  const log = new RekorWitness({ rekorBaseURL: registry, majorApiVersion: 2, retry: 0 });
  const options = { signer, witnesses: [log, stamp] };
  const bundle =
    kind === 'message'
      ? await new MessageSignatureBundleBuilder(options).create({ data: Buffer.from(data) })
      : await new DSSEBundleBuilder(options).create({ data: Buffer.from(data), type: 'application/vnd.in-toto+json' });
  return bundleToJSON(bundle) as object;
}

function signatureOf(content: Parameters<Witness['testify']>[0]): Uint8Array {
  const signature =
    content.$case === 'messageSignature' ? content.messageSignature.signature : content.dsseEnvelope.signatures[0]?.sig;
  return Uint8Array.from(signature ?? []);
}

async function ask(registry: string, signature: Uint8Array): Promise<Buffer> {
  const query = encodeTimestampRequest({ hash: 'SHA-256', imprint: sha256(signature), certReq: true });
  const response = await fetch(`${registry}/tsa`, {
    method: 'POST',
    headers: { 'content-type': 'application/timestamp-query' },
    body: Buffer.from(query),
  });
  if (!response.ok) throw new Error(`The time-stamp was refused: ${await response.text()}`);
  return Buffer.from(await response.arrayBuffer());
}
