import { areEqualBytes, encodeBase64, encodeBase64Url, encodeUtf8 } from '@margo-trust/bytes';
import { coseKeyThumbprint } from '@margo-trust/cose';
import { parsePublicKey } from '@margo-trust/crypto';
import { encodeJsonPayload } from '@margo-trust/statement';
import { encodeVerifierKey, type KeyWindow } from '@margo-trust/tlog';
import { encodePem } from '@margo-trust/x509';
import type { Authority, AuthorityRole } from '../certificates/certificate.reader.ts';
import type { Witnessing } from '../config.ts';
import type { LogKey } from '../log/keys/log-key.ts';
import { ed25519Raw, type LogIdentity } from '../log/log-identity.ts';
import { wireTime } from '../wire-time.ts';
import { encodeNotationTargets, type ToolAnchor } from './notation-targets.ts';

/**
 * What devices are to trust: `margo.trust-root.v1.json`. Also the payload of the log's second entry, so that everybody
 * sees the same one. `demand` is what devices are to make of the log's witnesses, if it has any.
 */
export function describeTrustRoot(
  domain: string,
  authorities: readonly Authority[],
  identity: LogIdentity,
  demand: Witnessing['demand'],
): object {
  // Authorities are the first thing that a registry makes: nothing that its keys signed is older.
  const [first] = authorities;
  if (first === undefined) throw new Error('There are no authorities.');
  const validFrom = wireTime(first.createdAt);
  const withRole = (role: AuthorityRole) => authorities.filter((one) => one.role === role);
  const { witnessPolicy } = identity;
  return {
    type: 'margo.trust-root.v1',
    registry: identity.issuer,
    domain,
    profile: 1,
    anchors: withRole('root').map((root) => ({ name: root.name, purpose: 'artifact-signing', ...anchor(root) })),
    intermediates: withRole('issuing').map(({ name, der }) => ({ name, certificate: encodeBase64(der) })),
    tsa: withRole('tsa').map((tsa) => ({
      name: tsa.name,
      ...anchor(issuerOf(tsa, authorities)),
      authority: encodeBase64(tsa.der),
    })),
    logs: [
      {
        origin: identity.origin,
        leafFormat: 'cose-digest',
        checkpointKey: encodeVerifierKey(identity.origin, ed25519Raw(identity.checkpoint.spki)),
        checkpointKeys: identity.checkpointKeys.map(({ name, publicKey, type }) =>
          encodeVerifierKey(name, publicKey, type),
        ),
        ...(witnessPolicy !== undefined && { witnessing: { policy: witnessPolicy, demand } }),
        checkpointHistory: identity.checkpointWindows.map(({ key, ...window }) => ({
          key: encodeVerifierKey(key.name, key.publicKey),
          ...describeWindow(window),
        })),
        sctKey: encodeBase64(identity.sct.spki),
        sctKeys: newestFirst(identity.keySet.of('sct')).map(({ spki, retiredAt }) => ({
          spki: encodeBase64(spki),
          ...(retiredAt && { validUntil: wireTime(retiredAt) }),
        })),
        receiptKeys: newestFirst(identity.keySet.of('receipt')).map((key) => ({
          ...verifyingKey(key),
          ...{ issuer: identity.issuer, validFrom },
          ...describeWindow(key),
        })),
      },
    ],
    records: newestFirst(identity.keySet.of('record')).map((key) => ({
      ...{ ...verifyingKey(key), validFrom },
      // An entry counts as of the tree that it is the last leaf of.
      ...(key.untilSize !== undefined && {
        retired: [{ log: identity.origin, index: Number(key.untilSize - 1n) }],
      }),
    })),
  };
}

/** The key in force first. */
function newestFirst(keys: readonly LogKey[]): LogKey[] {
  return [...keys].reverse();
}

/** Left out where it says nothing: a log whose keys were never replaced is described as it ever was. */
function describeWindow({ fromSize, untilSize }: KeyWindow): object {
  return {
    ...(fromSize > 0n && { fromSize: Number(fromSize) }),
    ...(untilSize !== undefined && { untilSize: Number(untilSize) }),
  };
}

/**
 * The files of the offline `targets` role, by name: everything that grants trust (trust-roots page, "Targets"). `anchors` are vendors'
 * own, for tools that do not read our records; our verifier takes them from the files of their vendors.
 */
export function encodeGrantedTargets(
  trustRoot: object,
  authorities: readonly Authority[],
  anchors: readonly ToolAnchor[] = [],
): Readonly<Record<string, Uint8Array>> {
  const pem = ({ der }: Authority) => encodeUtf8(encodePem('CERTIFICATE', der));
  const named = (role: AuthorityRole, name: (one: Authority, number: number) => string) =>
    Object.fromEntries(
      authorities.filter((one) => one.role === role).map((one, i) => [name(one, i + 1), pem(one)] as const),
    );
  return {
    'margo.trust-root.v1.json': encodeJsonPayload(trustRoot),
    ...named('root', ({ name }) => `ca.${name}.pem`),
    ...named('issuing', ({ name }) => `ca.${name}.pem`),
    ...named('tsa-ca', ({ name }) => `ca.${name.replace('tsa-ca', 'tsa')}.pem`),
    ...named('root', (_, number) => `notation.ca.margo.${number}.crt`),
    ...named('tsa-ca', (_, number) => `notation.tsa.margo.${number}.crt`),
    ...encodeNotationTargets(anchors),
  };
}

function anchor({ der, createdAt }: Authority): object {
  return { certificate: encodeBase64(der), validFrom: wireTime(createdAt) };
}

function verifyingKey({ spki }: LogKey): object {
  return { kid: encodeBase64Url(coseKeyThumbprint(parsePublicKey(spki))), spki: encodeBase64(spki) };
}

function issuerOf({ name, certificate: { issuer } }: Authority, authorities: readonly Authority[]): Authority {
  const found = authorities.find(({ certificate }) => areEqualBytes(certificate.subject.der, issuer.der));
  if (found === undefined) throw new Error(`The CA of ${name} is missing.`);
  return found;
}
