import type { Trust } from '../checks/trust.ts';
import { dateWords } from '../words.ts';

/** What the checks on a page rest on, said plainly: a proof is worth as much as the keys it is checked with. */
export function TrustBasis({ trust, now }: { trust: Trust | undefined; now: Date }) {
  if (!trust) return null;
  const isRecent = now.getTime() - trust.firstSeen.getTime() < 60_000;
  return (
    <details class="basis">
      <summary>What these checks rest on</summary>
      <p>
        The keys come from version {trust.rootVersion} of this registry’s trust root, which TUF delivers from{' '}
        <a href="/tuf/timestamp.json">/tuf</a> to devices as well.{' '}
        {isRecent
          ? 'This browser saw it for the first time just now, so it has only the registry’s word for it.'
          : `This browser first saw it on ${dateWords(trust.firstSeen)}; each version since was signed by the keys of the one before.`}{' '}
        It is remembered here, and so is the newest checkpoint: a registry that told another story later would be
        noticed.
      </p>
      <p>
        The code of this page comes from the registry too. To rest on neither, verify with <code>margo-trust</code> and
        a root file that reached you by another way.
      </p>
    </details>
  );
}
