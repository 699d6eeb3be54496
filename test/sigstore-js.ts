import { sign, type KeyObject } from 'node:crypto';
import { bundleToJSON } from '@sigstore/bundle';
import {
  DSSEBundleBuilder,
  MessageSignatureBundleBuilder,
  RekorWitness,
  type Signer,
  TSAWitness,
} from '@sigstore/sign';

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
  const stamp = new TSAWitness({ tsaBaseURL: registry, retry: 0 });
  const log = new RekorWitness({ rekorBaseURL: registry, majorApiVersion: 2, retry: 0 });
  const options = { signer, witnesses: [log, stamp] };
  const bundle =
    kind === 'message'
      ? await new MessageSignatureBundleBuilder(options).create({ data: Buffer.from(data) })
      : await new DSSEBundleBuilder(options).create({ data: Buffer.from(data), type: 'application/vnd.in-toto+json' });
  return bundleToJSON(bundle) as object;
}
