import type { ComponentChild } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Failed, Waiting } from './notice.tsx';

/** Shows what `load` brings once it is here: each page fetches only the code it needs. */
export function Lazy<T>({ load, children }: { load: () => Promise<T>; children: (loaded: T) => ComponentChild }) {
  const [loaded, keep] = useState<{ module: T } | 'failed'>();
  useEffect(() => {
    load().then(
      (module) => keep({ module }),
      () => keep('failed'),
    );
  }, []);
  if (loaded === undefined) return <Waiting what="page" lines={8} />;
  if (loaded === 'failed') {
    return (
      <Failed
        title="This part of the page could not be loaded"
        message="The registry may have been updated since the page was opened."
      />
    );
  }
  return <>{children(loaded.module)}</>;
}
