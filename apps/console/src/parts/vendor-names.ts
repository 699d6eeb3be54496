import { useEffect, useState } from 'preact/hooks';
import { loadVendors } from '../api.ts';

let asked: Promise<ReadonlyMap<string, string>> | undefined;

/** Legal names by vendor id, for lists. Asked for once; a vendor that isn't there is shown by its id. */
export function useVendorNames(): ReadonlyMap<string, string> {
  const [names, keep] = useState<ReadonlyMap<string, string>>(new Map());
  useEffect(() => {
    asked ??= loadVendors().then(({ items }) => new Map(items.map(({ id, legalName }) => [id, legalName])));
    asked.then(keep, () => {
      asked = undefined;
    });
  }, []);
  return names;
}
