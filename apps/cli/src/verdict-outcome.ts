import type { Check, Freshness, Verdict, Witnessed } from '@margo-trust/verifier';
import { exitCodeOfRefusal } from './exit-code.ts';
import { CliFault } from './fault.ts';
import { factLines, timeText, type Outcome } from './outcome.ts';

/** What the caller asks for beyond a good signature. */
export interface LocalPolicy {
  /** Id or URI of the only vendor that is wanted. */
  readonly vendor?: string;
  /** Oldest revocation list that is still good enough. */
  readonly maxAgeSeconds?: number;
}

/** Holds a verdict that trusts against local policy; its refusals come last, as they say nothing about the artifact. */
export function applyPolicy(verdict: Verdict, { vendor, maxAgeSeconds }: LocalPolicy, now: Date): Verdict {
  if (!verdict.trusted) return verdict;
  const { finding, freshness } = verdict;
  if (vendor !== undefined && !isVendor(vendor, finding.vendorId)) {
    const message = `It is by ${finding.vendorName} (${finding.vendorId}), not by ${vendor}.`;
    return refusal(
      verdict,
      new CliFault('policy/other-vendor', message, 'Do not install, unless you change the policy.'),
    );
  }
  if (maxAgeSeconds === undefined) return verdict;
  const age = (now.getTime() - freshness.asOf.getTime()) / 1000;
  const advice = 'Refresh the trust root: margo-trust root update. A bundle has to be made anew.';
  if (age > maxAgeSeconds) {
    const message = `The revocation list is of ${timeText(freshness.asOf)}, which is older than asked for.`;
    return refusal(verdict, new CliFault('policy/stale', message, advice));
  }
  if (age < -CLOCK_TOLERANCE_SECONDS) {
    const message = `This machine’s clock (${timeText(now)}) is behind the trust root, so its age can’t be told.`;
    return refusal(verdict, new CliFault('policy/stale', message, 'Set the clock, or leave out --max-age.'));
  }
  return verdict;
}

export function refusal(verdict: Verdict, fault: CliFault): Verdict {
  const { checks, freshness } = verdict;
  const { code, message: reason, advice } = fault;
  return { trusted: false, code, reason, advice, checks, ...(freshness && { freshness }) };
}

/** A verdict as a command prints it. `what` names the artifact as the user did. */
export function verdictOutcome(what: string, verdict: Verdict, notes: readonly string[] = []): Outcome {
  const data = { artifact: what, ...encodeVerdict(verdict), ...(notes.length > 0 && { notes }) };
  const noteLines = notes.map((note) => `note: ${note}`);
  if (!verdict.trusted) {
    const exitCode = exitCodeOfRefusal(verdict.code);
    const lines = [`refused: ${what}`, verdict.reason, verdict.advice, `code: ${verdict.code}`, ...noteLines];
    return { data: { ...data, exitCode }, lines, exitCode };
  }
  const { finding, release, freshness } = verdict;
  const facts = factLines({
    vendor: `${finding.vendorName} (${finding.vendorId})`,
    release: release && `${release.applicationId} ${release.version}, ${release.digests.length} digests`,
    signed: `${timeText(finding.time)}, ${finding.subject}`,
    logged: `entry ${finding.log.index} of ${finding.log.origin}`,
    witnessed: finding.witnessed && witnessText(finding.witnessed),
    certificate: finding.certificateFingerprint,
    key: finding.assurance && KEY_CLASSES[finding.assurance],
    build: finding.workload && `${finding.workload.subject} (${finding.workload.issuer})`,
    'as of': `${timeText(freshness.asOf)}${staleText(freshness)}`,
  });
  return { data, lines: [`trusted: ${what}`, ...facts, ...noteLines] };
}

function encodeVerdict(verdict: Verdict): Record<string, unknown> {
  const checks = verdict.checks.map(({ name, passed, detail }: Check) => ({ name, passed, detail }));
  if (!verdict.trusted) {
    const { code, reason, advice, freshness } = verdict;
    return { trusted: false, code, reason, advice, checks, ...(freshness && { freshness }) };
  }
  const { finding, release, freshness } = verdict;
  return { trusted: true, finding, ...(release && { release }), checks, freshness };
}

function witnessText({ by, of, hasQuorum }: Witnessed): string {
  const names = by.length > 0 ? ` (${by.join(', ')})` : '';
  return `${by.length} of ${of}${names}, ${hasQuorum ? 'a quorum' : 'no quorum'}`;
}

function staleText({ stale }: Freshness): string {
  return stale.length === 0 ? '' : `; past its date: ${stale.map(({ role }) => role).join(', ')}`;
}

function isVendor(wanted: string, id: string): boolean {
  return wanted.toLowerCase() === id || wanted.toLowerCase().startsWith(`https://${id}.vendors.`);
}

const KEY_CLASSES = {
  hardware: 'in attested hardware',
  software: undefined, // nothing is known of it
  ci: 'of a build, for a day',
} as const;

/** Clocks differ a little. */
const CLOCK_TOLERANCE_SECONDS = 300;
