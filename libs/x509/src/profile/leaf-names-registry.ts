import { areEqualBytes, encodeUtf8 } from '@margo-trust/bytes';
import { TAG } from '../der/tag.ts';
import { derPrimitive } from '../der/write.ts';
import { findExtension } from '../extension.ts';
import { OID } from '../oid.ts';
import type { LeafRule } from './rule.ts';

/** Both forms: cosign reads .1.8, sigstore-python .1.1. */
export const leafNamesRegistry: LeafRule = {
  name: 'leaf-names-registry',
  source: 'Fulcio OID information, 1.3.6.1.4.1.57264.1.1 and .1.8',
  check: ({ extensions }, { registry }) => {
    const text = encodeUtf8(registry);
    const isGiven = (oid: string, value: Uint8Array) =>
      areEqualBytes(findExtension(extensions, oid)?.value ?? new Uint8Array(), value);
    const both = isGiven(OID.sigstoreIssuerV1, text) && isGiven(OID.sigstoreIssuerV2, derPrimitive(TAG.utf8, text));
    return both ? undefined : 'it does not name this registry as issuer of the identity in both forms';
  },
};
