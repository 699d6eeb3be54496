import { discoverSignIn, RegistryApi, startDeviceLogin, type Tokens } from '@margo-trust/client';
import type { Command } from 'commander';
import type { Run } from '../command.ts';
import type { Outcome } from '../outcome.ts';
import { signInAs, type Session } from '../session.ts';

export function addLogin(program: Command, run: Run): void {
  program.command('login').description('sign in at a registry; later commands go there').action(run(login));
  program.command('logout').description('forget the sign-in').action(run(logout));
  program.command('whoami').description('who the registry takes you for').action(run(whoami));
}

async function login(session: Session): Promise<Outcome> {
  const url = await session.registryUrl();
  const { plainHttp, account } = session;
  const signIn = await discoverSignIn(url, { plainHttp });
  const tokens = account === undefined ? await signInByDevice(session, signIn) : await signInAs(url, account);
  await session.keepLogin(url, signIn.tokenEndpoint, tokens);
  const me = await new RegistryApi({ url, token: tokens.accessToken, plainHttp }).me();
  const { subject, issuer, memberships } = me;
  return { data: { registry: url, subject, issuer, memberships }, lines: [`Signed in at ${url} as ${subject}.`] };
}

async function signInByDevice(
  { printer }: Session,
  signIn: Awaited<ReturnType<typeof discoverSignIn>>,
): Promise<Tokens> {
  const { userCode, verificationUri, verificationUriComplete, wait } = await startDeviceLogin(signIn);
  printer.note(`Open ${verificationUriComplete ?? verificationUri} and confirm the code ${userCode}.`);
  printer.progress('waiting for you');
  return wait();
}

async function logout(session: Session): Promise<Outcome> {
  const registry = await session.registryUrl();
  const forgotten = await session.logins.forget(registry);
  const line = forgotten ? `Signed out at ${registry}.` : `Nobody was signed in at ${registry}.`;
  return { data: { registry, wasSignedIn: forgotten }, lines: [line] };
}

async function whoami(session: Session): Promise<Outcome> {
  const api = await session.signedInApi();
  const { subject, issuer, memberships } = await api.me();
  const roles = memberships.map(({ organisation, role }) => `${role} of ${organisation}`);
  const lines = [`${subject} at ${api.url}`, ...(roles.length > 0 ? roles : ['member of nothing yet'])];
  return { data: { registry: api.url, subject, issuer, memberships }, lines };
}
