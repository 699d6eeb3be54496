import { encodeBase64, encodeBase64Url, encodeUtf8 } from '@margo-trust/bytes';
import { encodeJsonPayload } from '@margo-trust/statement';
import { encodeVerifierKey } from '@margo-trust/tlog';
import { encodePem } from '@margo-trust/x509';
import type { Authority, AuthorityName } from '../certificates/certificate.reader.ts';
import { ed25519Raw } from '../log/log-identity.ts';
import type { LogIdentity, NamedSigner } from '../log/log-identity.ts';
import { wireTime } from '../wire-time.ts';

/**
 * What devices are to trust: `margo.trust-root.v1.json`. Also the payload of the log's second entry, so that everybody
 * sees the same one.
 */
export function describeTrustRoot(domain: string, authorities: readonly Authority[], identity: LogIdentity): object {
  const root = named(authorities, 'root');
  const issuing = named(authorities, 'issuing-1');
  const tsaCa = named(authorities, 'tsa-ca');
  const tsa = named(authorities, 'tsa');
  // Authorities are the first thing that a registry makes: nothing that its keys signed is older.
  const validFrom = wireTime(root.createdAt);
  return {
    type: 'margo.trust-root.v1',
    registry: identity.issuer,
    domain,
    profile: 1,
    anchors: [{ name: 'root', purpose: 'artifact-signing', ...anchor(root) }],
    intermediates: [{ name: 'issuing-1', certificate: encodeBase64(issuing.der) }],
    tsa: [{ name: 'tsa', ...anchor(tsaCa), authority: encodeBase64(tsa.der) }],
    logs: [
      {
        origin: identity.origin,
        leafFormat: 'cose-digest',
        checkpointKey: encodeVerifierKey(identity.origin, ed25519Raw(identity.checkpoint.spki)),
        sctKey: encodeBase64(identity.sct.spki),
        receiptKeys: [{ ...verifyingKey(identity.receipt), issuer: identity.issuer, validFrom }],
      },
    ],
    records: [{ ...verifyingKey(identity.record), validFrom }],
  };
}

/** The files of the offline `targets` role, by name: everything that grants trust (trust-roots page, "Targets"). */
export function encodeGrantedTargets(
  trustRoot: object,
  authorities: readonly Authority[],
): Readonly<Record<string, Uint8Array>> {
  const pem = (name: AuthorityName) => encodeUtf8(encodePem('CERTIFICATE', named(authorities, name).der));
  return {
    'margo.trust-root.v1.json': encodeJsonPayload(trustRoot),
    'ca.root.pem': pem('root'),
    'ca.issuing-1.pem': pem('issuing-1'),
    'ca.tsa.pem': pem('tsa-ca'),
    'notation.ca.margo.1.crt': pem('root'),
    'notation.tsa.margo.1.crt': pem('tsa-ca'),
    'notation.trustpolicy.oci.json': encodeUtf8(`${JSON.stringify(NOTATION_POLICY, undefined, 2)}\n`),
  };
}

/**
 * A template that works as it is: whatever an admitted vendor signed, in every repository. A WFM narrows it to its
 * repositories and to the vendors it buys from (`x509.subject: C=…, ST=…, O=…`).
 */
const NOTATION_POLICY = {
  version: '1.0',
  trustPolicies: [
    {
      name: 'margo',
      registryScopes: ['*'],
      signatureVerification: {
        level: 'strict',
        verifyTimestamp: 'afterCertExpiry',
        override: { revocation: 'enforce' },
      },
      trustStores: ['ca:margo', 'tsa:margo'],
      trustedIdentities: ['*'],
    },
  ],
};

function anchor({ der, createdAt }: Authority): object {
  return { certificate: encodeBase64(der), validFrom: wireTime(createdAt) };
}

function verifyingKey({ kid, signer }: NamedSigner): object {
  return { kid: encodeBase64Url(kid), spki: encodeBase64(signer.spki) };
}

function named(authorities: readonly Authority[], name: AuthorityName): Authority {
  const found = authorities.find((authority) => authority.name === name);
  if (found === undefined) throw new Error(`There is no authority ${name}.`);
  return found;
}
