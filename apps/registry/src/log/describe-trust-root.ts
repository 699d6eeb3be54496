import { areEqualBytes, encodeBase64, encodeBase64Url } from '@margo-trust/bytes';
import { coseKeyThumbprint } from '@margo-trust/cose';
import { parsePublicKey } from '@margo-trust/crypto';
import { encodeVerifierKey, type CheckpointKey, type KeyWindow } from '@margo-trust/tlog';
import type { Authority, AuthorityRole } from '../certificates/certificate.reader.ts';
import type { Witnessing } from '../config.ts';
import { wireTime } from '../wire-time.ts';
import type { LogKey } from './keys/log-key.ts';
import { ed25519Raw } from './log-identity.ts';
import type { LogOnRecord } from './logs-on-record.ts';

/**
 * What devices are to trust: `margo.trust-root.v1.json`. Also the payload of the second entry of every log, so that everybody
 * sees the same one. `logs` begins with the first, and `demand` is what devices are to make of their witnesses, if there are any.
 */
export function describeTrustRoot(
  domain: string,
  authorities: readonly Authority[],
  logs: readonly LogOnRecord[],
  demand: Witnessing['demand'],
): object {
  // Authorities are the first thing that a registry makes: nothing that its keys signed is older.
  const [first] = authorities;
  const [governing] = logs;
  if (first === undefined || governing === undefined) throw new Error('There are no authorities, or no log.');
  const validFrom = wireTime(first.createdAt);
  const withRole = (role: AuthorityRole) => authorities.filter((one) => one.role === role);
  return {
    type: 'margo.trust-root.v1',
    registry: governing.identity.issuer,
    domain,
    profile: 1,
    anchors: withRole('root').map((root) => ({ name: root.name, purpose: 'artifact-signing', ...anchor(root) })),
    intermediates: withRole('issuing').map(({ name, der }) => ({ name, certificate: encodeBase64(der) })),
    tsa: withRole('tsa').map((tsa) => ({
      name: tsa.name,
      ...anchor(issuerOf(tsa, authorities)),
      authority: encodeBase64(tsa.der),
    })),
    logs: logs.map((log) => describeLog(log, validFrom, demand)),
    records: recordKeys(logs).map((key) => ({
      ...{ ...verifyingKey(key), validFrom },
      ...describeEnds(key, logs),
    })),
  };
}

/** The keys of a log that is frozen speak for trees up to its last size and no larger one. */
function describeLog({ identity, frozen, retiredAt }: LogOnRecord, validFrom: string, demand: string): object {
  const { origin, issuer, witnessPolicy, checkpointKeys, checkpointWindows, mlDsa44Windows, keySet } = identity;
  const describeWindow = (window: KeyWindow): object => describe(frozen ? endedAfter(frozen.size, window) : window);
  const describeKey = ({ key, ...window }: CheckpointKey): object => ({
    key: encodeVerifierKey(key.name, key.publicKey, key.type),
    ...describeWindow(window),
  });
  return {
    origin,
    leafFormat: 'cose-digest',
    checkpointKey: encodeVerifierKey(origin, ed25519Raw(keySet.current('checkpoint').spki)),
    checkpointKeys: checkpointKeys.map(({ name, publicKey, type }) => encodeVerifierKey(name, publicKey, type)),
    ...(witnessPolicy !== undefined && { witnessing: { policy: witnessPolicy, demand } }),
    checkpointHistory: checkpointWindows.map(describeKey),
    ...(mlDsa44Windows.length > 0 && { mlDsa44History: mlDsa44Windows.map(describeKey) }),
    sctKey: encodeBase64(keySet.current('sct').spki),
    sctKeys: newestFirst(keySet.of('sct')).map(({ spki, retiredAt: until = frozen?.at }) => ({
      spki: encodeBase64(spki),
      ...(until && { validUntil: wireTime(until) }),
    })),
    receiptKeys: newestFirst(keySet.of('receipt')).map((key) => ({
      ...verifyingKey(key),
      ...{ issuer, validFrom },
      ...describeWindow(key),
    })),
    ...(frozen && { frozenAt: wireTime(frozen.at), size: Number(frozen.size) }),
    ...(retiredAt && { retiredAt: wireTime(retiredAt) }),
  };
}

/** The window of a key of a log that ends with a tree of `size`. */
function endedAfter(size: bigint, { fromSize, untilSize = size + 1n }: KeyWindow): KeyWindow {
  return { fromSize, untilSize };
}

/** Left out where it says nothing: a log whose keys were never replaced is described as it ever was. */
function describe({ fromSize, untilSize }: KeyWindow): object {
  return {
    ...(fromSize > 0n && { fromSize: Number(fromSize) }),
    ...(untilSize !== undefined && { untilSize: Number(untilSize) }),
  };
}

/** Every key that signed records in any of the logs, those of the first log in front. None is named twice. */
function recordKeys(logs: readonly LogOnRecord[]): LogKey[] {
  const keys: LogKey[] = [];
  for (const key of logs.flatMap(({ identity }) => newestFirst(identity.keySet.of('record')))) {
    if (!keys.some(({ spki }) => areEqualBytes(spki, key.spki))) keys.push(key);
  }
  return keys;
}

/** Where the key no longer signed, by log; in one whose records it never signed, that is from the first entry on. */
function describeEnds({ spki }: LogKey, logs: readonly LogOnRecord[]): object {
  const retired = logs.flatMap(({ identity: { origin, keySet } }) => {
    const own = keySet.of('record').find((key) => areEqualBytes(key.spki, spki));
    if (own && own.untilSize === undefined) return [];
    // An entry counts as of the tree that it is the last leaf of.
    return [{ log: origin, index: own?.untilSize === undefined ? 0 : Number(own.untilSize - 1n) }];
  });
  return retired.length > 0 ? { retired } : {};
}

/** The key in force first. */
function newestFirst(keys: readonly LogKey[]): LogKey[] {
  return [...keys].reverse();
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
