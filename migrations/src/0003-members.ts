import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who belongs to which organisation: a vendor by its id, or 'margo' for governance. */
export class Members0003 implements MigrationInterface {
  name = 'Members1700000000003';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE member (
        issuer       text        NOT NULL,
        subject      text        NOT NULL,
        organisation text        NOT NULL,
        role         text        NOT NULL CHECK (role IN ('owner', 'publisher', 'security', 'auditor', 'governance')),
        since        timestamptz NOT NULL,
        PRIMARY KEY (issuer, subject, organisation, role),
        CHECK ((organisation = 'margo') = (role = 'governance'))
      );
      CREATE INDEX member_organisation ON member (organisation);
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE member');
  }
}
