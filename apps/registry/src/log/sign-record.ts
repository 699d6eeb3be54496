import { Injectable } from '@nestjs/common';
import { CONTENT, draftStatement, encodeJsonPayload, finishStatement } from '@margo-trust/statement';
import { LogIdentity } from './log-identity.ts';

/** What the registry itself says: `subject` is `vendor:<id>`, `certificate:<fingerprint>`, `tuf:<role>:<version>` … */
export interface RegistryStatement {
  readonly subject: string;
  readonly payload: object;
  /** Defaults to a governance record. */
  readonly contentType?: string;
}

/** Signs statements of the registry with the key of the place where they will be. */
@Injectable()
export class SignRecord {
  constructor(private readonly identity: LogIdentity) {}

  /** `size` is that of the tree that the statement will be the last leaf of; the log's keys must be known for it. */
  async run({ subject, payload, contentType }: RegistryStatement, now: Date, size: bigint): Promise<Uint8Array> {
    const { signer, kid } = this.identity.recordAt(size);
    const draft = draftStatement({
      algorithm: signer.algorithm,
      issuer: this.identity.issuer,
      subject,
      contentType: contentType ?? CONTENT.record,
      payload: encodeJsonPayload(payload),
      issuedAt: now,
      signer: { kid },
    });
    return finishStatement(draft, await signer.sign(draft.toBeSigned));
  }
}
