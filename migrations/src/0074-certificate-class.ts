import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is known of the key of a certificate, and whether a build got it: the class that its policy names. */
export class CertificateClass0074 implements MigrationInterface {
  name = 'CertificateClass1700000000074';

  async up(db: QueryRunner): Promise<void> {
    for (const table of ['precertificate', 'certificate']) {
      await db.query(`
        ALTER TABLE ${table} ADD COLUMN assurance text NOT NULL DEFAULT 'software'
          CHECK (assurance IN ('hardware', 'software', 'ci'));
      `);
    }
  }

  async down(): Promise<void> {
    throw new Error('Certificates are append-only; restore a backup instead.');
  }
}
