import type { OpenpgpKey } from '@margo-trust/wire';
import { dateWords } from '../words.ts';
import { Opaque } from './copy.tsx';

/** Said with the keys wherever they are shown: nobody is to take them for more. */
export function OpenpgpKeys({ keys }: { keys: readonly OpenpgpKey[] }) {
  return (
    <>
      <p>
        For reading charts and downloads that are signed by OpenPGP. Nothing becomes trusted by such a signature: it is
        in no log, and its time is its maker’s word.
      </p>
      <ul class="claims">
        {keys.map(({ fingerprint, registeredAt, entryId }) => (
          <li key={fingerprint}>
            <Opaque value={fingerprint} label={`fingerprint ${fingerprint}`} />, registered{' '}
            <a href={`/entry/${entryId}`}>{dateWords(new Date(registeredAt))}</a>
          </li>
        ))}
      </ul>
    </>
  );
}
