import { Injectable } from '@nestjs/common';
import type { Tx } from '../db/db.ts';
import { fresh, PublishedFiles } from '../http/published-files.store.ts';
import type { Authority } from './certificate.reader.ts';
import { CertificateStore } from './certificate.store.ts';

/** Takes the first authorities of a registry, wherever they were certified, and publishes each at `/ca/<name>.crt`. */
@Injectable()
export class KeepAuthorities {
  constructor(
    private readonly store: CertificateStore,
    private readonly files: PublishedFiles,
  ) {}

  async run(tx: Tx, authorities: readonly Authority[]): Promise<void> {
    for (const authority of authorities) {
      await this.store.insertAuthority(tx, authority);
      await this.files.publish(tx, `/ca/${authority.name}.crt`, {
        body: authority.der,
        contentType: 'application/pkix-cert',
        cacheControl: fresh(3_600),
      });
    }
  }
}
