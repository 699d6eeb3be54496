import type { MigrationInterface, QueryRunner } from 'typeorm';

/** ML-DSA-44 keys of logs, which cosign checkpoints, among the keys whose replacement a log records. */
export class MlDsaLogKeys0092 implements MigrationInterface {
  name = 'MlDsaLogKeys1700000000092';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE log_key
        DROP CONSTRAINT log_key_purpose_check,
        ADD CONSTRAINT log_key_purpose_check
          CHECK (purpose IN ('checkpoint', 'checkpoint-ml-dsa-44', 'receipt', 'sct', 'record'));
    `);
  }

  async down(): Promise<void> {
    throw new Error('The keys of a log are named in it; restore a backup instead.');
  }
}
