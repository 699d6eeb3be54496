import { isVendorUri } from '../leaf-profile.ts';
import type { LeafRule } from './rule.ts';

/** The identity, and nothing beside it that a client could take for one. */
export const leafHasOneVendorUri: LeafRule = {
  name: 'leaf-has-one-vendor-uri',
  source: 'RFC 5280 §4.2.1.6; Fulcio certificate specification',
  check: ({ sans }, { registry }) => {
    const [name, ...others] = sans;
    if (!name || others.length > 0) return `it has ${sans.length} alternative names`;
    if (name.type !== 'uri') return `its alternative name is of type ${name.type}`;
    return isVendorUri(name.value, registry) ? undefined : 'its URI is not that of a vendor of this registry';
  },
};
