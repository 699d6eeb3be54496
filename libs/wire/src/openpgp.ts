import { ObjectsField, TextField, TimeField } from './fields.ts';

/** Registers an OpenPGP key of a vendor, for reading. */
export class OpenpgpKeyRequest {
  @TextField({
    max: 16_384,
    pattern: /^-----BEGIN PGP PUBLIC KEY BLOCK-----[\x20-\x7e\t\r\n]+$/,
    description: 'One public key, armored: `gpg --armor --export-options export-minimal --export <fingerprint>`.',
  })
  key: string;
}

export class OpenpgpKey {
  @TextField({ max: 64, description: 'Of the primary key: lower-case hexadecimal, 40 digits, or 64 of version 6.' })
  fingerprint: string;

  @TextField({ max: 26 })
  vendorId: string;

  @TextField({ max: 16_384, description: 'Armored.' })
  key: string;

  @TimeField()
  registeredAt: string;

  @TextField({ max: 43, description: 'EntryID of its record.' })
  entryId: string;
}

export class OpenpgpKeyList {
  @ObjectsField(() => OpenpgpKey)
  items: OpenpgpKey[];
}
