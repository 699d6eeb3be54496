import { encodeUtf8 } from '@margo-trust/bytes';
import { encodeJsonPayload } from '@margo-trust/statement';
import { encodePem } from '@margo-trust/x509';
import type { Authority, AuthorityRole } from '../certificates/certificate.reader.ts';
import { encodeNotationTargets, type ToolAnchor } from './notation-targets.ts';

/**
 * The files of the offline `targets` role, by name: everything that grants trust (trust-roots page, "Targets"). `anchors` are vendors'
 * own, for tools that do not read our records; our verifier takes them from the files of their vendors.
 */
export function encodeGrantedTargets(
  trustRoot: object,
  authorities: readonly Authority[],
  anchors: readonly ToolAnchor[] = [],
): Readonly<Record<string, Uint8Array>> {
  const pem = ({ der }: Authority) => encodeUtf8(encodePem('CERTIFICATE', der));
  const named = (role: AuthorityRole, name: (one: Authority, number: number) => string) =>
    Object.fromEntries(
      authorities.filter((one) => one.role === role).map((one, i) => [name(one, i + 1), pem(one)] as const),
    );
  return {
    'margo.trust-root.v1.json': encodeJsonPayload(trustRoot),
    ...named('root', ({ name }) => `ca.${name}.pem`),
    ...named('issuing', ({ name }) => `ca.${name}.pem`),
    ...named('tsa-ca', ({ name }) => `ca.${name.replace('tsa-ca', 'tsa')}.pem`),
    ...named('root', (_, number) => `notation.ca.margo.${number}.crt`),
    ...named('tsa-ca', (_, number) => `notation.tsa.margo.${number}.crt`),
    ...encodeNotationTargets(anchors),
  };
}
