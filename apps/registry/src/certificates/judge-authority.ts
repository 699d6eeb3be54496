import { areEqualBytes } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { type Certificate, lintCa, lintTsa, parseCertificate, verifyPath } from '@margo-trust/x509';
import { AuthorityFault } from './authority.fault.ts';
import type { Authority, AuthorityName, AuthorityRole } from './certificate.reader.ts';

/** A certificate that would do for an authority, and how that would be called. */
export interface Candidate {
  readonly name: AuthorityName;
  readonly role: AuthorityRole;
  readonly certificate: Certificate;
}

/**
 * Judges a certificate from a ceremony: it must keep the profile of its role, come from one of our CAs that still signs, be valid
 * now, and have a name and a key that no other authority has. `urlOf` says where others fetch a path of ours.
 */
export function judgeAuthority(
  der: Uint8Array,
  role: AuthorityRole,
  { authorities, at, urlOf }: { authorities: readonly Authority[]; at: Date; urlOf: (path: string) => string },
): Candidate {
  const certificate = read(der);
  for (const { name, certificate: known } of authorities) {
    const isKnown =
      areEqualBytes(known.spki, certificate.spki) || areEqualBytes(known.subject.der, certificate.subject.der);
    if (isKnown) throw new AuthorityFault('authority/known', `${name} has this name or this key.`);
  }
  const above = role === 'issuing' ? 'root' : role === 'tsa' ? 'tsa-ca' : undefined;
  const parent = above && authorities.find((one) => one.role === above && signed(one, certificate));
  if (above !== undefined && parent === undefined) throw unfit([`no CA of ours with the role ${above} has issued it`]);

  const issuer = parent?.certificate ?? certificate;
  const findings =
    role === 'tsa'
      ? lintTsa(der, { issuer })
      : lintCa(der, { purpose: role === 'issuing' ? 'issuing' : 'root', ...(parent && { issuer }) });
  if (at < certificate.notBefore || at > certificate.notAfter) findings.push('it is not valid now');
  if (parent?.state === 'retiring' || parent?.state === 'retired') findings.push(`${parent.name} is ${parent.state}`);
  if (role === 'issuing' && parent !== undefined) findings.push(...misplaced(certificate, parent.name, urlOf));
  if (findings.length > 0) throw unfit(findings);
  verifySignature(certificate, issuer, at);
  return { name: nextName(role, authorities), role, certificate };
}

/** `issuing-2` after `issuing-1`, `root-2` after `root`: an authority keeps its name for ever. */
export function nextName(role: AuthorityRole, authorities: readonly Authority[]): AuthorityName {
  const count = authorities.filter((one) => one.role === role).length + 1;
  return role === 'issuing' || count > 1 ? `${role}-${count}` : role;
}

/** What devices and clients fetch must be where we publish it. */
function misplaced({ crlUrls, caIssuersUrls }: Certificate, parent: string, urlOf: (path: string) => string): string[] {
  const [crl, issuer] = [urlOf(`/crl/${parent}/0.crl`), urlOf(`/ca/${parent}.crt`)];
  return [
    ...(crlUrls[0] === crl ? [] : [`the CRL of its issuer is at ${crl}, and it names ${crlUrls[0] ?? 'none'}`]),
    ...(caIssuersUrls[0] === issuer
      ? []
      : [`its issuer is at ${issuer}, and it names ${caIssuersUrls[0] ?? 'no place'}`]),
  ];
}

function signed(authority: Authority, certificate: Certificate): boolean {
  return areEqualBytes(authority.certificate.subject.der, certificate.issuer.der);
}

function verifySignature(certificate: Certificate, issuer: Certificate, at: Date): void {
  try {
    verifyPath({ leaf: certificate, intermediates: [], anchors: [issuer], at });
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw unfit([cause.message], { cause });
  }
}

function read(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw unfit([cause.message], { cause });
  }
}

function unfit(findings: readonly string[], options?: ErrorOptions): AuthorityFault {
  return new AuthorityFault('authority/unfit', `The certificate does not do: ${findings.join('; ')}.`, options);
}
