import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The revocation filter reads certificates in the order of the log, on from where it was. */
export class CertificatesInLogOrder0068 implements MigrationInterface {
  name = 'CertificatesInLogOrder1700000000068';

  async up(db: QueryRunner): Promise<void> {
    await db.query('CREATE INDEX certificate_log_index ON certificate (log_index)');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP INDEX certificate_log_index');
  }
}
