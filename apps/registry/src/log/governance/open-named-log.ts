import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import type { LogKeyPurpose } from '@margo-trust/auditor';
import { areEqualBytes, encodeBase64, parseBase64 } from '@margo-trust/bytes';
import { ML_DSA_44_COSIGNATURE, verifierKeySpki } from '@margo-trust/tlog';
import { CertificateReader } from '../../certificates/certificate.reader.ts';
import { Clock } from '../../clock.ts';
import { Config, Secrets } from '../../config.ts';
import type { Tx } from '../../db/db.ts';
import { RESERVED_NAMES } from '../../http/log-route.ts';
import { createDevelopmentLogKeys } from '../../keys/development-keys.ts';
import { KeyRing } from '../../keys/key-ring.ts';
import { LOG_SLOTS } from '../../keys/slots.ts';
import { StartError } from '../../start-error.ts';
import { PolicyReader } from '../admission/policy.reader.ts';
import { describeTrustRoot } from '../describe-trust-root.ts';
import { LogKeyStore } from '../keys/log-key.store.ts';
import { LogChangeFault } from '../log.fault.ts';
import { LogIdentity } from '../log-identity.ts';
import { LogsOnRecord } from '../logs-on-record.ts';
import { OpenLog } from '../open-log.ts';
import type { RunningLog } from '../running-logs.ts';
import { originOf, ServedLog } from '../served-log.ts';
import type { LogChange, WantedChange } from './log-change.ts';
import { LogsReader } from './logs.reader.ts';

/** As many as a trust root may name. */
const MOST_LOGS = 64;
/** A host name's label, short enough for the table. */
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,29}[a-z0-9])?$/;

/**
 * Opens a log of its own name for statements. It begins with the policy that the first log has then, and with the trust anchors, in which it is
 * named itself; what it begins with is on record in the first log, in the same transaction.
 */
@Injectable()
export class OpenNamedLog {
  constructor(
    private readonly config: Config,
    private readonly secrets: Secrets,
    private readonly ring: KeyRing,
    private readonly reader: LogsReader,
    private readonly keys: LogKeyStore,
    private readonly logs: LogsOnRecord,
    private readonly certificates: CertificateReader,
    private readonly policies: PolicyReader,
    private readonly clock: Clock,
  ) {}

  /** The change down to the keys: those that lie in the log's own directory. In development they are made now. */
  async draft({ name = '' }: WantedChange): Promise<LogChange> {
    if (!NAME.test(name) || RESERVED_NAMES.includes(name)) {
      const message =
        'A log is named with a to z, 0 to 9 and hyphens inside, 31 characters at most, and not "preview" or "proposals".';
      throw new LogChangeFault('log/bad-change', message);
    }
    const logs = await this.reader.all();
    if (logs.some(({ log }) => log.name === name)) {
      throw new LogChangeFault('log/name-taken', 'There is a log of this name, or was one: a name is given once.');
    }
    if (logs.length >= MOST_LOGS) {
      throw new LogChangeFault('log/too-many', `A registry has ${MOST_LOGS} logs at most: a trust root names no more.`);
    }
    const spkis = await this.loadKeys(name);
    const known = await this.keys.findAll();
    if (known.some(({ spki }) => spkis.some((own) => areEqualBytes(own, spki)))) {
      throw new LogChangeFault('log/key-used', 'One of these keys has signed for a log before: make new ones.');
    }
    const [checkpointKey = '', receiptKey = '', sctKey = '', mlDsa44Key] = spkis.map(encodeBase64);
    return {
      ...{ action: 'open', log: originOf(name, this.config.domain), name, checkpointKey, receiptKey, sctKey },
      ...(mlDsa44Key !== undefined && { mlDsa44Key }),
    };
  }

  /** The row that a drafted log will have. */
  async place({ name = '' }: LogChange): Promise<ServedLog> {
    const ids = (await this.reader.all()).map(({ log }) => log.id);
    return ServedLog.named(Math.max(...ids) + 1, name, this.config.domain);
  }

  /** Makes the drafted log in the caller's transaction; `opened` is what will serve it. */
  async run(tx: Tx, change: LogChange, opened: RunningLog): Promise<void> {
    const { domain, witnessing } = this.config;
    const logs = await this.logs.load(tx);
    const [governing] = logs;
    if (!governing) throw new Error('A log is opened beside the first one.');
    const spkis = new Map<LogKeyPurpose, Uint8Array>([
      ['checkpoint', parseBase64(change.checkpointKey ?? '')],
      ['receipt', parseBase64(change.receiptKey ?? '')],
      ['sct', parseBase64(change.sctKey ?? '')],
      ['record', governing.identity.keySet.current('record').spki],
    ]);
    if (change.mlDsa44Key !== undefined) spkis.set('checkpoint-ml-dsa-44', parseBase64(change.mlDsa44Key));
    const identity = opened.app.get(LogIdentity);
    const since = this.clock.now();
    identity.learn(Array.from(spkis, ([purpose, spki]) => ({ purpose, spki, fromSize: 0n, since })));
    const authorities = await this.certificates.authorities(tx);
    const anchors = describeTrustRoot(domain, authorities, [...logs, { identity }], witnessing?.demand ?? 'reported');
    this.policies.forget();
    const { policy } = await this.policies.current();
    await opened.app.get(OpenLog).run(tx, anchors, spkis, policy);
  }

  /** SubjectPublicKeyInfo of the keys in {@link LOG_SLOTS}, and of the ML-DSA-44 key if there is one. */
  private async loadKeys(name: string): Promise<Uint8Array[]> {
    const folder = `logs/${name}`;
    const ring = this.ring.within(folder);
    try {
      if (this.config.mode === 'development') {
        createDevelopmentLogKeys(join(this.config.keysDirectory, folder), this.secrets.keysPassphrase);
      }
      await ring.openTokens();
      const missing = LOG_SLOTS.filter((slot) => !ring.has(slot));
      if (missing.length > 0) {
        const files = missing.map((slot) => `${folder}/${slot}.pem`).join(', ');
        throw new LogChangeFault(
          'log/no-keys',
          `Put these keys into the key directory of every process first: ${files}`,
        );
      }
      const mlDsa44 = ring.firstMlDsa44();
      return [
        ...LOG_SLOTS.map((slot) => ring.load(slot).spki),
        ...(mlDsa44 ? [verifierKeySpki({ type: ML_DSA_44_COSIGNATURE, publicKey: mlDsa44.publicKey })] : []),
      ];
    } catch (cause) {
      if (!(cause instanceof StartError)) throw cause;
      const message = `A key below ${folder} in the key directory does not open, is of another type or open to others.`;
      throw new LogChangeFault('log/no-keys', message, { cause });
    }
  }
}
