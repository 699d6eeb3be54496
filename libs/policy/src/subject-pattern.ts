import { OID, type Certificate } from '@margo-trust/x509';

/** Attributes of a subject that a pattern may ask for (RFC 4514 §3), by object identifier. */
export const SUBJECT_ATTRIBUTES = {
  C: OID.country,
  ST: OID.state,
  L: OID.locality,
  O: OID.organization,
  OU: OID.organizationalUnit,
  CN: OID.commonName,
} as const;
export type SubjectAttribute = keyof typeof SUBJECT_ATTRIBUTES;

/**
 * What the certificates under a registered anchor are called. Each member asks for something, and those that are left out for
 * nothing: an attribute of the subject, to the letter; the URIs of the subject alternative name, or its host names.
 */
export interface SubjectPattern extends Partial<Readonly<Record<SubjectAttribute, string>>> {
  /** A URI, or what all of them begin with: `https://acme.example/builds/*`. */
  readonly uri?: string;
  /** A host name, or all below one: `*.acme.example`. */
  readonly dns?: string;
}

/** Whether a certificate is called what the pattern says. Total: a pattern that has flaws matches less, never more. */
export function matchesSubject(pattern: SubjectPattern, { subject, sans }: Certificate): boolean {
  const attributes = subject.rdns.flat();
  const areSame = attributesOf(pattern).every(([name, wanted]) => {
    const [found, ...others] = attributes.filter(({ oid }) => oid === SUBJECT_ATTRIBUTES[name]);
    return found?.value === wanted && others.length === 0;
  });
  const every = (
    type: 'uri' | 'dns',
    wanted: string | undefined,
    matches: (name: string, wanted: string) => boolean,
  ) => {
    if (wanted === undefined) return true;
    const names = sans.flatMap((san) => (san.type === type ? [san.value] : []));
    return names.length > 0 && names.every((name) => matches(name, wanted));
  };
  return areSame && every('uri', pattern.uri, isUriOf) && every('dns', pattern.dns, isHostOf);
}

/** What is wrong with a pattern by itself, one sentence each. */
export function findPatternFlaws(pattern: SubjectPattern): string[] {
  const { uri, dns } = pattern;
  const isNothing = attributesOf(pattern).length === 0 && uri === undefined && dns === undefined;
  return [
    ...(isNothing ? ['The subject pattern matches every certificate.'] : []),
    ...(uri === undefined || URI_PATTERN.test(uri)
      ? []
      : ['The URI pattern must have a scheme and a host, and a * only at the end, behind a /.']),
    ...(dns === undefined || HOST_PATTERN.test(dns)
      ? []
      : ['The host pattern must be a name of two labels or more, before which *. may stand.']),
  ];
}

/** The attributes a pattern asks for, in the order of {@link SUBJECT_ATTRIBUTES}. */
export function attributesOf(pattern: SubjectPattern): [SubjectAttribute, string][] {
  return (Object.keys(SUBJECT_ATTRIBUTES) as SubjectAttribute[]).flatMap((name) => {
    const value = pattern[name];
    return value === undefined ? [] : [[name, value] satisfies [SubjectAttribute, string]];
  });
}

/** `.` and `..` segments would be resolved by others: nothing that has them is below anything. */
function isUriOf(uri: string, wanted: string): boolean {
  if (!wanted.endsWith('/*')) return uri === wanted;
  return uri.length >= wanted.length && uri.startsWith(wanted.slice(0, -1)) && !/\/\.\.?(?:[/?#]|$)/.test(uri);
}

function isHostOf(host: string, wanted: string): boolean {
  if (!wanted.startsWith('*.')) return host.toLowerCase() === wanted;
  return host.length >= wanted.length && host.toLowerCase().endsWith(wanted.slice(1));
}

const URI_PATTERN =
  /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::\d{1,5})?\/(?:[!-)+-~]*|(?:[!-)+-~]*\/)?\*)$/;
const HOST_PATTERN = /^(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+$/;
