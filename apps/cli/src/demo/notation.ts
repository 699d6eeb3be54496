import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { VendorSubject } from '@margo-trust/wire';
import type { Anchor, TrustRoot } from '@margo-trust/verifier';
import { writeOutput } from '../files.ts';

/**
 * Writes a ready configuration for `notation` (its directory `notation/` below XDG_CONFIG_HOME): trust stores with our
 * anchors, and a policy that is strict, enforces revocation, and trusts one vendor. The older file name is written too:
 * 1.3 reads either.
 */
export async function writeNotationConfig(directory: string, trust: TrustRoot, subject: VendorSubject): Promise<void> {
  await writeStore(join(directory, 'truststore/x509/ca/margo'), trust.anchors);
  await writeStore(join(directory, 'truststore/x509/tsa/margo'), trust.timestampAnchors);
  const policy = `${JSON.stringify(trustPolicy(subject), null, 2)}\n`;
  for (const name of ['trustpolicy.oci.json', 'trustpolicy.json']) await writeOutput(join(directory, name), policy);
}

async function writeStore(directory: string, anchors: readonly Anchor[]): Promise<void> {
  for (const { name, certificate } of anchors) {
    await writeOutput(join(directory, `${name}.crt`), new X509Certificate(certificate).toString());
  }
}

function trustPolicy({ C, ST, O }: VendorSubject): object {
  return {
    version: '1.0',
    trustPolicies: [
      {
        name: 'margo',
        registryScopes: ['*'],
        signatureVerification: {
          level: 'strict',
          verifyTimestamp: 'afterCertExpiry',
          override: { revocation: 'enforce' },
        },
        trustStores: ['ca:margo', 'tsa:margo'],
        trustedIdentities: [`x509.subject: C=${escape(C)}, ST=${escape(ST)}, O=${escape(O)}`],
      },
    ],
  };
}

/** RFC 4514 §2.4: what would end an attribute's value, or be lost at its edges. */
function escape(value: string): string {
  return value.replace(/[,+"\\<>;=]/g, '\\$&').replace(/^[# ]/, '\\$&');
}
