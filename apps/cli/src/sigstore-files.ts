import {
  describeSigningConfig,
  describeTrustedRoot,
  type TrustedAuthority,
  type TrustedTlog,
} from '@margo-trust/sigstore';
import type { Anchor, TimestampAnchor, TrustRoot, TrustedLog } from '@margo-trust/verifier';
import { areEqualNames, OID, parseCertificate, type Certificate } from '@margo-trust/x509';
import { CliFault } from './fault.ts';

/** What Sigstore's tools are given, by file name, made of a verified trust root; `url` is where the registry is reached. */
export function encodeSigstoreFiles(trust: TrustRoot, url: string): Readonly<Record<string, string>> {
  const [first, ...others] = trust.anchors.flatMap((anchor) => authoritiesBelow(anchor, trust.intermediates));
  if (first === undefined) throw lacking('issuing CA');
  const { validFrom } = first;
  const logs = trust.logs.map((log) => readLog(log, validFrom));
  const timestampAuthorities = trust.timestampAnchors.map(readTimestampAuthority);
  const trustedRoot = describeTrustedRoot({
    registry: trust.registry,
    logs,
    certificateAuthorities: [first, ...others],
    timestampAuthorities,
  });
  const signingConfig = describeSigningConfig({ url, operator: trust.domain, validFrom });
  return { 'trusted_root.json': encode(trustedRoot), 'signing_config.v0.2.json': encode(signingConfig) };
}

/**
 * The registry's own CAs below an anchor. An anchor without one is a vendor's: Sigstore's tools would let it certify every
 * vendor, since they know no constraint on who may name whom.
 */
function authoritiesBelow(anchor: Anchor, intermediates: readonly Uint8Array[]): TrustedAuthority[] {
  const root = parseCertificate(anchor.certificate);
  return intermediates
    .map((der) => parseCertificate(der))
    .filter((issuing) => areEqualNames(issuing.issuer, root.subject))
    .map((issuing) => ({ ...named(issuing), ...windowOf(anchor), chain: [issuing.der, root.der] }));
}

function readTimestampAuthority(anchor: TimestampAnchor): TrustedAuthority {
  if (anchor.authority === undefined) throw lacking('time-stamping authority');
  const authority = parseCertificate(anchor.authority);
  return { ...named(authority), ...windowOf(anchor), chain: [authority.der, anchor.certificate] };
}

/** The log is as old as the registry's CA: nothing that its keys signed is older. */
function readLog({ checkpointHistory, sctKeys }: TrustedLog, validFrom: Date): TrustedTlog {
  if (sctKeys.length === 0) throw lacking('key for the promises (SCTs) in certificates');
  return { checkpointKeys: checkpointHistory.map(({ key }) => key), sctKeys, validFrom };
}

function windowOf({ validFrom, validUntil }: Anchor): Pick<TrustedAuthority, 'validFrom' | 'validUntil'> {
  return { validFrom, ...(validUntil && { validUntil }) };
}

function named({ subject }: Certificate): Pick<TrustedAuthority, 'organization' | 'commonName'> {
  const value = (wanted: string) => subject.rdns.flat().find(({ oid }) => oid === wanted)?.value ?? '';
  return { organization: value(OID.organization), commonName: value(OID.commonName) };
}

function lacking(what: string): CliFault {
  return new CliFault(
    'cli/not-found',
    `The trust root names no ${what}, which Sigstore’s tools need.`,
    'The registry has to publish a trust root made by this version: ask its operator.',
  );
}

function encode(document: object): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
