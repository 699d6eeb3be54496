import { Injectable } from '@nestjs/common';
import { areEqualBytes, encodeBase64 } from '@margo-trust/bytes';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import type { Identity } from '../callers/identity.ts';
import { Clock } from '../clock.ts';
import { Db } from '../db/db.ts';
import { fresh, PublishedFiles } from '../http/published-files.store.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { authoritySlot, keyFile } from '../keys/slots.ts';
import { AppendRecord } from '../log/append-record.ts';
import { wireTime } from '../wire-time.ts';
import { AuthorityFault } from './authority.fault.ts';
import { type AuthorityRole, CertificateReader } from './certificate.reader.ts';
import { CertificateStore } from './certificate.store.ts';
import { type Candidate, judgeAuthority } from './judge-authority.ts';

/**
 * Takes an authority's certificate that a ceremony has signed, as standby: published and listed in the trust root from now on,
 * and signing nothing. Whoever announces it cannot activate it. The key of one that will sign here must be here already.
 */
@Injectable()
export class AnnounceAuthority {
  constructor(
    private readonly db: Db,
    private readonly reader: CertificateReader,
    private readonly store: CertificateStore,
    private readonly files: PublishedFiles,
    private readonly keys: KeyRing,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  /** Returns the name it has from now on. */
  async run(member: Identity, der: Uint8Array, role: AuthorityRole): Promise<string> {
    const name = await this.db.transaction(async (tx) => {
      await this.store.lockAuthorities(tx);
      const now = this.clock.now();
      const authorities = await this.reader.authorities(tx);
      const base = await this.reader.publicationUrl('', tx);
      const candidate = judgeAuthority(der, role, { authorities, at: now, urlOf: (path) => `${base}${path}` });
      if (role === 'issuing' || role === 'tsa') await this.refuseMissingKey(candidate);

      const { name, certificate } = candidate;
      const { entryId } = await this.record.run(tx, {
        subject: `authority:${name}`,
        payload: {
          ...{ record: 'authority-announced', at: wireTime(now), authority: name, role },
          ...{ fingerprint: certificate.fingerprint, certificate: encodeBase64(der) },
        },
        mentions: [`sha256:${certificate.fingerprint}`],
      });
      const authority = { name, role, der, certificate, createdAt: now, state: 'standby', since: now } as const;
      await this.store.insertAuthority(tx, authority, { member: member.name, entryId });
      await this.files.publish(tx, `/ca/${name}.crt`, {
        ...{ body: der, contentType: 'application/pkix-cert', cacheControl: fresh(3_600) },
      });
      await this.audit.append(tx, {
        ...{ actor: member.name, action: 'authority-announced', subject: `authority:${name}` },
        detail: { role, fingerprint: certificate.fingerprint, entryId },
      });
      return name;
    });
    this.reader.forgetAuthorities();
    return name;
  }

  private async refuseMissingKey({ name, certificate }: Candidate): Promise<void> {
    const slot = authoritySlot(name);
    await this.keys.openTokens();
    if (this.keys.has(slot) && areEqualBytes(this.keys.load(slot).spki, certificate.spki)) return;
    throw new AuthorityFault(
      'authority/key-missing',
      `The key of this certificate is not here: it belongs where the registry's keys are, as ${keyFile(slot)}.`,
    );
  }
}
