import { parseUtf8 } from '@margo-trust/bytes';
import { parseTrustRoot, Verifier } from '@margo-trust/verifier';
import { parsePem } from '@margo-trust/x509';
import type { Command } from 'commander';
import type { Run } from '../command.ts';
import { CliFault } from '../fault.ts';
import { readInput } from '../files.ts';
import { factLines, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';
import { withTrustRoot } from '../trust-root.ts';

export function addDevice(program: Command, run: Run): void {
  const device = program.command('device').description('whose devices these are');
  device
    .command('verify')
    .description('find the manufacturer behind a device’s birth certificate (IDevID)')
    .argument('<certificate>', 'file: PEM with those between it and the manufacturer’s CA, leaf first, or DER')
    .option('--offline', 'take the trust root as it is, and ask no network')
    .option('--root <file>', 'initial root; default: the one that the trust root began with')
    .action(run(verify));
}

async function verify(
  session: Session,
  file: string,
  { offline = false, root }: { offline?: boolean; root?: string },
): Promise<Outcome> {
  const chain = await readChain(file);
  const device = await withTrustRoot(session, { offline, root }, (snapshot) =>
    Promise.resolve(new Verifier(parseTrustRoot(snapshot)).verifyDevice(chain, session.io.now())),
  );
  const lines = factLines({
    ...{ device: device.subject, manufacturer: device.vendorName, vendor: device.vendorId },
    ...{ certificate: device.certificateFingerprint, anchor: device.anchorFingerprint },
  });
  return { data: { device }, lines };
}

async function readChain(file: string): Promise<[Uint8Array, ...Uint8Array[]]> {
  const bytes = await readInput(file, 'device certificate', 262_144);
  if (bytes[0] === 0x30) return [bytes];
  const [leaf, ...others] = parsePem('CERTIFICATE', parseUtf8(bytes));
  if (leaf === undefined) throw new CliFault('cli/bad-usage', `${file} holds no certificate.`, 'Give PEM or DER.');
  return [leaf, ...others];
}
