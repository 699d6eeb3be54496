import { verifyReceipt } from '@margo-trust/receipt';
import { parseStatement } from '@margo-trust/statement';
import type { PublishedVendor } from '@margo-trust/verifier';
import { decodeStatement, recordWords } from '../decode.ts';
import type { Memory } from '../memory.ts';
import { countWords, dateWords } from '../words.ts';

import { tellTrust } from './log.ts';
import { verifyRegistrySignature } from './registry-signature.ts';
import type { Source } from './source.ts';
import { needed, planChecks, Refused, waitingSteps, type Step } from './steps.ts';
import { findTrustedVendor, loadTrust, type Trust } from './trust.ts';

export interface VendorFindings {
  steps: readonly Step[];
  trust?: Trust;
  /** As the trust root has it. */
  vendor?: PublishedVendor;
}

const PLAN = [
  ['trust', 'The trust root is signed'],
  ['listed', 'The trust root lists this vendor'],
  ['record', 'The decision about it is in the log'],
] as const;

export const VENDOR_CHECKS = waitingSteps(PLAN);

/** Whether devices would take this vendor for admitted: by the trust root, and by the record behind it. */
export async function verifyVendor(
  id: string,
  { source, memory, now }: { source: Source; memory: Memory; now: Date },
  show: (findings: VendorFindings) => void,
): Promise<VendorFindings> {
  const found: VendorFindings = { steps: VENDOR_CHECKS };
  const { check } = planChecks(PLAN, (steps) => {
    found.steps = steps;
    show({ ...found });
  });

  await check(
    'trust',
    () => loadTrust(source, memory, now),
    (value) => tellTrust(value, now),
    (value) => (found.trust = value),
  );
  await check(
    'listed',
    async () => {
      const listed = await findTrustedVendor(source, needed(found.trust, 'there is no trust root'), id);
      return needed(listed, 'the trust root does not list the vendor: it is not admitted, or not yet published');
    },
    ({ status }) => ({
      said: `It lists the vendor as ${status}.`,
      facts: found.trust ? [{ label: 'As of', value: dateWords(found.trust.revocations.asOf) }] : [],
    }),
    (value) => (found.vendor = value),
  );
  await check(
    'record',
    () => verifyRecord(needed(found.vendor, 'the vendor is not listed'), needed(found.trust, 'there is no trust root')),
    ({ index, record }) => ({
      said: `${recordWords(record)}: signed by the registry, and entry ${countWords(index)} of the log by its receipt.`,
    }),
  );
  return found;
}

function verifyRecord({ id, record }: PublishedVendor, trust: Trust): { index: bigint; record: string } {
  const statement = parseStatement(record);
  const [receipt] = statement.receipts;
  if (!receipt) throw new Refused('The record came without a receipt of the log.');
  const keys = trust.logs.flatMap((log) => log.receiptKeys);
  const { origin, index, issuedAt } = verifyReceipt(receipt, statement, keys);
  verifyRegistrySignature(statement, trust, issuedAt ?? trust.revocations.asOf, { origin, index });
  if (statement.subject !== `vendor:${id}`) throw new Refused('The record is about another vendor.');
  const said = decodeStatement(statement);
  return { index, record: said.kind === 'record' ? said.record : 'record' };
}
