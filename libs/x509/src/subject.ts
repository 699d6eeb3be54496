import { encodeUtf8 } from '@margo-trust/bytes';
import { TAG } from './der/tag.ts';
import { derAscii } from './der/text.ts';
import { derOid, derPrimitive, derSequence, derSetOf } from './der/write.ts';
import { X509Fault } from './fault.ts';
import { OID } from './oid.ts';

/** The only attributes our certificates carry. */
export interface SubjectFields {
  /** ISO 3166-1 alpha-2, upper case. */
  readonly country: string;
  /** State or province: at most 128 characters. Required for leaves, because Notation matches identities by it. */
  readonly state?: string;
  /** At most 64 characters, as the common name (RFC 5280 appendix A.1). */
  readonly organization: string;
  readonly commonName: string;
}

/**
 * The Name `C, ST, O, CN` in DER, one attribute in each RDN (RFC 5280 §4.1.2.4): C as PrintableString, the others as
 * UTF8String.
 *
 * `x509/invalid-spec` for values that are empty, too long, or dangerous to those who print or match names: control and
 * direction characters, space at the ends, and `=#`, for which Notation refuses the whole signature.
 */
export function encodeSubject({ country, state, organization, commonName }: SubjectFields): Uint8Array {
  if (!/^[A-Z]{2}$/.test(country)) throw invalid('The country must be two capital letters (ISO 3166-1).');
  return derSequence(
    encodeRdn(OID.country, derAscii(TAG.printable, country)),
    ...(state === undefined ? [] : [encodeRdn(OID.state, encodeText('state', state, 128))]),
    encodeRdn(OID.organization, encodeText('organization', organization, 64)),
    encodeRdn(OID.commonName, encodeText('common name', commonName, 64)),
  );
}

function encodeRdn(oid: string, value: Uint8Array): Uint8Array {
  return derSetOf([derSequence(derOid(oid), value)]);
}

function encodeText(field: string, text: string, maxCharacters: number): Uint8Array {
  if (text.length === 0) throw invalid(`The ${field} is empty.`);
  if ([...text].length > maxCharacters) throw invalid(`The ${field} has more than ${maxCharacters} characters.`);
  if (text.includes('=#')) throw invalid(`The ${field} holds "=#".`);
  if (text.trim() !== text) throw invalid(`The ${field} begins or ends with space.`);
  if (DANGEROUS.test(text)) throw invalid(`The ${field} holds characters that can't be printed.`);
  return derPrimitive(TAG.utf8, encodeUtf8(text));
}

/** Controls, line separators, private use, unassigned and half surrogates, and what turns the direction of text. */
const DANGEROUS = /[\p{C}\p{Zl}\p{Zp}]/u;

function invalid(message: string): X509Fault {
  return new X509Fault('x509/invalid-spec', message);
}
