import type { Budget } from './budget.ts';
import { derOid } from './der/write.ts';
import { X509Fault } from './fault.ts';
import type { Certificate, GeneralName, NameConstraints } from './model.ts';
import { isWithinName } from './name.ts';
import { OID } from './oid.ts';

/**
 * Throws unless every name of the certificate is allowed by each of the constraints (RFC 5280 §4.2.1.10): some permitted
 * subtree of its form, if there is one, and no excluded one.
 *
 * The forms compared are DNS, URI, e-mail, IP and directory names. A name that is constrained in a form not compared
 * here, or that can't be compared (a URI without a host), is refused.
 */
export function verifyNameConstraints(
  certificate: Certificate,
  constraints: readonly NameConstraints[],
  budget: Budget,
): void {
  if (constraints.length === 0) return;
  const names = constrainedNames(certificate);
  const subtrees = constraints.reduce((sum, { permitted, excluded }) => sum + permitted.length + excluded.length, 0);
  budget.spend('comparisons', names.length * subtrees);

  for (const { permitted, excluded } of constraints) {
    for (const name of names) {
      const allowed = permitted.filter((base) => isSameForm(name, base));
      if (allowed.length > 0 && !allowed.some((base) => isWithin(name, base))) throw refused(name, 'not permitted');
      if (excluded.some((base) => isSameForm(name, base) && (isWithin(name, base) || mayBecome(name, base)))) {
        throw refused(name, 'excluded');
      }
    }
  }
}

/** The subject, the alternative names, and e-mail addresses that old certificates carry in the subject. */
function constrainedNames({ subject, sans }: Certificate): GeneralName[] {
  const emails = subject.rdns.flat().filter(({ oid }) => oid === OID.emailAddress);
  return [
    ...(subject.rdns.length > 0 ? [{ type: 'directory', name: subject } as const] : []),
    ...emails.map(({ value }) => ({ type: 'rfc822', value }) as const),
    ...sans,
  ];
}

function isSameForm(name: GeneralName, base: GeneralName): boolean {
  // RFC 9598 §6: constraints on mailboxes are meant for those beyond ASCII too, which are not compared here.
  if (isUtf8Mailbox(name) && base.type === 'rfc822') return true;
  return name.type === base.type && (name.type !== 'other' || base.type !== 'other' || name.tag === base.tag);
}

/** An otherName of type id-on-SmtpUTF8Mailbox (RFC 9598 §3). */
function isUtf8Mailbox(name: GeneralName): boolean {
  return name.type === 'other' && name.tag === 0xa0 && UTF8_MAILBOX.every((octet, i) => name.content[i] === octet);
}

const UTF8_MAILBOX = derOid('1.3.6.1.5.5.7.8.9');

/** A wildcard that stands for a host of the excluded domain as well: `*.example.com` for `www.example.com`. */
function mayBecome(name: GeneralName, base: GeneralName): boolean {
  if (name.type !== 'dns' || base.type !== 'dns' || !name.value.startsWith('*.')) return false;
  return canonicalHost(base.value).endsWith(canonicalHost(name.value).slice(1));
}

function isWithin(name: GeneralName, base: GeneralName): boolean {
  if (name.type === 'directory' && base.type === 'directory') return isWithinName(name.name, base.name);
  if (name.type === 'dns' && base.type === 'dns') return isWithinDomain(name.value, base.value);
  if (name.type === 'rfc822' && base.type === 'rfc822') return isWithinMail(name.value, base.value);
  if (name.type === 'uri' && base.type === 'uri') return isWithinHost(hostOf(name.value), base.value);
  if (name.type === 'ip' && base.type === 'ip') return isWithinNetwork(name.address, base.address);
  throw refused(name, 'in a form whose constraints are not supported');
}

/** DNS: the base itself or anything below it; the empty base holds every name. */
function isWithinDomain(name: string, base: string): boolean {
  const [host, domain] = [canonicalHost(name), canonicalHost(base)];
  if (domain === '' || host === domain) return true;
  return host.endsWith(domain.startsWith('.') ? domain : `.${domain}`);
}

/** URI and e-mail: `.example.com` holds the hosts below example.com, `example.com` that host alone. */
function isWithinHost(host: string, base: string): boolean {
  const domain = canonicalHost(base);
  return domain.startsWith('.') ? host.endsWith(domain) && host.length > domain.length : host === domain;
}

function isWithinMail(name: string, base: string): boolean {
  const at = name.lastIndexOf('@');
  if (at <= 0) throw refused({ type: 'rfc822', value: name }, 'not an e-mail address');
  const [box, host] = [name.slice(0, at), canonicalHost(name.slice(at + 1))];
  const baseAt = base.lastIndexOf('@');
  if (baseAt >= 0) return box === base.slice(0, baseAt) && host === canonicalHost(base.slice(baseAt + 1));
  return base === '' || isWithinHost(host, base);
}

function isWithinNetwork(address: Uint8Array, base: Uint8Array): boolean {
  const half = base.length / 2;
  if (address.length !== half) return false;
  return address.every((octet, i) => ((octet ^ (base[i] ?? 0)) & (base[half + i] ?? 0)) === 0);
}

/** RFC 5280 demands a host name here; an address or nothing can't be compared. */
function hostOf(uri: string): string {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri)?.[1] ?? '';
  const host = canonicalHost(authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d*$/, ''));
  if (!/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(host) || /(?:^|\.)\d+$/.test(host)) {
    throw refused({ type: 'uri', value: uri }, 'without a host name, which its issuer constrains');
  }
  return host;
}

function canonicalHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}

function refused(name: GeneralName, why: string): X509Fault {
  return new X509Fault('x509/name-constraints', `A name of type ${name.type} is ${why}.`);
}
