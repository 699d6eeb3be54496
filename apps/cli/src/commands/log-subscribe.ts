import type { LogSubscription } from '@margo-trust/wire';
import type { Command } from 'commander';
import type { Run } from '../command.ts';
import { factLines, tableLines, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';

/** Being told of new entries: what a registry sends to an address of its members (docs/api.md). */
export function addLogSubscriptions(log: Command, run: Run): void {
  log
    .command('subscribe')
    .description('have new entries sent to an address, as signed CloudEvents')
    .argument('<url>', 'https, public')
    .requiredOption('--organisation <id>', 'who subscribes: a vendor you belong to, or margo')
    .option('--vendor <id>', 'only entries of this vendor')
    .option('--application <id>', 'only entries about this application')
    .option('--digest <digest>', 'only entries that speak of this digest')
    .option('--certificate <fingerprint>', 'only entries signed with, or about, this certificate')
    .action(run(subscribe));
  log.command('subscriptions').description('your subscriptions, and how they fare').action(run(list));
  log
    .command('deliveries')
    .description('the newest attempts of a subscription')
    .argument('<id>', 'subscription')
    .action(run(deliveries));
  log
    .command('redeliver')
    .description('tell again from an entry on; revives a subscription that was given up')
    .argument('<id>', 'subscription')
    .requiredOption('--from <index>', 'index of an entry')
    .action(run(redeliver));
  log
    .command('unsubscribe')
    .description('end a subscription')
    .argument('<id>', 'subscription')
    .action(run(unsubscribe));
}

interface SubscribeOptions {
  organisation: string;
  vendor?: string;
  application?: string;
  digest?: string;
  certificate?: string;
}

async function subscribe(session: Session, url: string, options: SubscribeOptions): Promise<Outcome> {
  const api = await session.signedInApi();
  const subscription = await api.subscribeToLog({ url, ...options });
  session.printer.note('Keep the secret: it is not shown again.');
  return { data: { subscription }, lines: factLines({ ...factsOf(subscription), secret: subscription.secret }) };
}

async function list(session: Session): Promise<Outcome> {
  const api = await session.signedInApi();
  const { items } = await api.listLogSubscriptions();
  const rows = items.map((one) => [one.id, one.organisation, one.position, stateOf(one), one.url]);
  return { data: { subscriptions: items }, lines: items.length === 0 ? ['None.'] : tableLines(rows) };
}

async function deliveries(session: Session, id: string): Promise<Outcome> {
  const api = await session.signedInApi();
  const { items } = await api.listLogDeliveries(id);
  const rows = items.map(({ index, at, outcome, status, milliseconds }) => [
    index,
    at,
    outcome,
    status === undefined ? '' : String(status),
    `${milliseconds} ms`,
  ]);
  return { data: { deliveries: items }, lines: items.length === 0 ? ['None yet.'] : tableLines(rows) };
}

async function redeliver(session: Session, id: string, { from }: { from: string }): Promise<Outcome> {
  const api = await session.signedInApi();
  const subscription = await api.redeliverLog(id, from);
  return { data: { subscription }, lines: factLines(factsOf(subscription)) };
}

async function unsubscribe(session: Session, id: string): Promise<Outcome> {
  const api = await session.signedInApi();
  await api.unsubscribeFromLog(id);
  return { data: { ended: id }, lines: [`Ended ${id}.`] };
}

function factsOf(subscription: LogSubscription): Record<string, string | undefined> {
  const { id, organisation, url, vendor, application, digest, certificate, position } = subscription;
  return {
    subscription: id,
    of: organisation,
    to: url,
    vendor,
    application,
    digest,
    certificate,
    next: position,
    state: stateOf(subscription),
  };
}

function stateOf({ failures, nextAttemptAt, disabledAt }: LogSubscription): string {
  if (disabledAt !== undefined) return `given up ${disabledAt}`;
  return failures === 0 ? 'well' : `failed ${failures} times, again ${nextAttemptAt ?? 'soon'}`;
}
