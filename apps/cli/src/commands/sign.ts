import {
  artifactFinder,
  loadApplication,
  RegistryApi,
  signApplication,
  signArtifact,
  vendorIdOf,
  type SignedArtifact,
  type SigningContext,
} from '@margo-trust/client';
import type { Command } from 'commander';
import { collect, type Run } from '../command.ts';
import { DEFAULT_CHAIN, DEFAULT_KEY, readIdentity } from '../key-files.ts';
import type { Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';
import { openArtifact, type ArtifactTarget } from '../target.ts';
import { AGENT } from '../version.ts';

export function addSign(program: Command, run: Run): void {
  program
    .command('sign')
    .description('sign an artifact, log the signature and attach it')
    .argument('<artifact>', 'registry/repository:tag, or an image layout with :tag or @sha256:…')
    .option('--key <file>', 'private key', DEFAULT_KEY)
    .option('--chain <file>', 'its certificate and those above it', DEFAULT_CHAIN)
    .option('--vendor <id>', 'whose signature it is, with a certificate of your own CA: it need not name the vendor')
    .option('--release', 'of an Application Package: sign its components and images too, and a release that pins all')
    .option(
      '--reference <reference>',
      'where an artifact of a layout will be published; becomes part of what is signed',
    )
    .option('--image <reference>', 'an image that neither Compose file nor chart names (repeatable)', collect)
    .action(run(sign));
}

interface SignOptions {
  key: string;
  chain: string;
  vendor?: string;
  release?: boolean;
  reference?: string;
  image?: readonly string[];
}

async function sign(session: Session, artifact: string, options: SignOptions): Promise<Outcome> {
  const { vendor } = options;
  const uri = vendor === undefined ? undefined : (await (await session.api()).loadVendor(vendor)).uri;
  const identity = await readIdentity(session.io, options, uri);
  const url = await session.registryUrl();
  const context: SigningContext = { identity, registry: { url }, now: () => session.io.now(), agent: AGENT };
  const target = await openArtifact(artifact, session.registryOptions);
  const named = options.reference === undefined ? target : { ...target, reference: options.reference };
  if (options.release) return signRelease(session, named, options, context);

  session.printer.progress(`signing ${artifact}`);
  const signed = await signArtifact(named, context);
  return { data: { signed: [encodeSigned(signed)] }, lines: [signedLine(signed)] };
}

async function signRelease(
  session: Session,
  target: ArtifactTarget,
  { image }: SignOptions,
  context: SigningContext,
): Promise<Outcome> {
  session.printer.progress('reading the package');
  const application = await loadApplication({
    package: target,
    find: artifactFinder(target.place, session.registryOptions),
    ...(image && { extraImages: image }),
  });
  for (const finding of application.findings) session.printer.note(`note: ${finding}`);
  const api = new RegistryApi({ url: context.registry.url, plainHttp: session.plainHttp });
  const { claims } = await api.loadVendor(vendorIdOf(context.identity));
  const onStep = (step: string): void => session.printer.progress(step);
  const { release, signed, pinned, releaseEntryId } = await signApplication({ application, claims, onStep }, context);
  const { applicationId, version } = release;
  return {
    data: {
      applicationId,
      version,
      releaseEntryId,
      signed: signed.map(encodeSigned),
      pinned: pinned.map(({ reference, descriptor }) => ({ reference, digest: descriptor.digest })),
      findings: application.findings,
    },
    lines: [
      ...signed.map(signedLine),
      ...pinned.map(({ reference, descriptor }) => `pinned  ${descriptor.digest}  ${reference ?? ''}`.trimEnd()),
      `release ${version} of ${applicationId} is entry ${releaseEntryId}`,
    ],
  };
}

function encodeSigned({ descriptor, reference, signature, entryId, replaced }: SignedArtifact): object {
  const { digest, mediaType } = descriptor;
  return {
    digest,
    mediaType,
    ...(reference !== undefined && { reference }),
    signature: signature.digest,
    entryId,
    replaced,
  };
}

function signedLine({ descriptor, reference }: SignedArtifact): string {
  return `signed  ${descriptor.digest}  ${reference ?? ''}`.trimEnd();
}
