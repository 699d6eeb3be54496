import { decodeStatement, saidWords } from './decode.ts';
import { overall, type Outcome } from './checks/steps.ts';
import type { EntryFindings } from './checks/entry.ts';
import type { VendorFindings } from './checks/vendor.ts';
import { agoWords, countWords, plural } from './words.ts';

export interface Sentence {
  outcome: Outcome;
  title: string;
  said: string;
}

/**
 * Who said what, when, and is it still good: the answer that an entry's page gives first. It is put together from checked
 * findings only, and claims success only when every check holds.
 */
export function entrySentence(findings: EntryFindings, now: Date): Sentence {
  const outcome = overall(findings.steps);
  switch (outcome) {
    case 'waiting':
      return { outcome, title: 'Checking', said: 'This browser is checking the evidence.' };
    case 'fails': {
      const refused = findings.steps.find((step) => step.outcome === 'fails');
      return { outcome, title: 'Do not rely on this entry', said: refused?.said ?? '' };
    }
    case 'open': {
      const open = findings.steps.filter((step) => step.outcome === 'open');
      const held = findings.steps.length - open.length;
      return {
        outcome,
        title: 'Not fully checked',
        said: `${held} of ${plural(findings.steps.length, 'check')} hold. The others, beginning with “${open[0]?.title ?? ''}”, could not be made here.`,
      };
    }
    case 'holds':
      return { outcome, title: 'Checked in this browser just now', said: story(findings, now) };
  }
}

function story({ statement, signer, receipt, standing }: EntryFindings, now: Date): string {
  if (!statement || !signer || !receipt || !standing) return '';
  const who = signer.kind === 'registry' ? 'The registry' : signer.name;
  const what = saidWords(decodeStatement(statement), statement.subject);
  const where = `It is entry ${countWords(receipt.index)} of the log`;
  return signer.kind === 'registry'
    ? `${who} ${what}. ${where}. ${standing.said}`
    : `${who} ${what}. ${where}, and as of ${agoWords(standing.asOf, now)} nothing has taken the trust back.`;
}

/** The same for a vendor's page. `claimed` is the registry's word, used only where nothing could be checked. */
export function vendorSentence(
  { steps, vendor, trust }: VendorFindings,
  claimed: { status: string },
  now: Date,
): Sentence {
  const outcome = overall(steps);
  const asOf = trust ? `as of ${agoWords(trust.revocations.asOf, now)}` : '';
  if (outcome === 'waiting') return { outcome, title: 'Checking', said: 'This browser is checking the evidence.' };
  if (vendor && vendor.status !== 'active') {
    return {
      outcome: 'fails',
      title: `This vendor is ${vendor.status}`,
      said: `The trust root says so ${asOf}. Devices refuse to install or update what it signs.`,
    };
  }
  if (outcome === 'holds') {
    return {
      outcome,
      title: 'Active, checked in this browser just now',
      said: `The trust root lists this vendor as active ${asOf}, and the decision is in the log.`,
    };
  }
  if (outcome === 'fails') {
    return {
      outcome,
      title: 'Do not rely on this vendor',
      said: steps.find((step) => step.outcome === 'fails')?.said ?? '',
    };
  }
  return {
    outcome,
    title: 'Not fully checked',
    said: `By the registry’s word the vendor is ${claimed.status}. ${steps.find((step) => step.outcome === 'open')?.said ?? ''}`,
  };
}
