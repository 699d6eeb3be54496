import { useEffect, useState } from 'preact/hooks';
import { ApiProblem } from './api.ts';

export type Loaded<T> =
  { state: 'loading' } | { state: 'ready'; value: T } | { state: 'failed'; status: number; message: string };

/** The result of `load`, again whenever `key` changes. An answer that arrives after the key has changed is dropped. */
export function useLoaded<T>(key: string, load: () => Promise<T>): Loaded<T> {
  const [kept, keep] = useState<{ key: string; loaded: Loaded<T> }>({ key, loaded: { state: 'loading' } });
  useEffect(() => {
    let isCurrent = true;
    const settle = (loaded: Loaded<T>) => {
      if (isCurrent) keep({ key, loaded });
    };
    settle({ state: 'loading' });
    load().then(
      (value) => settle({ state: 'ready', value }),
      (error: unknown) => settle(failureOf(error)),
    );
    return () => {
      isCurrent = false;
    };
  }, [key]);
  return kept.key === key ? kept.loaded : { state: 'loading' };
}

/** The time, renewed every `intervalMs`: ages on the page grow while it is open. */
export function useNow(intervalMs = 10_000): Date {
  const [now, tick] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => tick(new Date()), intervalMs);
    return () => clearInterval(timer);
  }, [intervalMs]);
  return now;
}

function failureOf(error: unknown): Loaded<never> {
  if (error instanceof ApiProblem) return { state: 'failed', status: error.status, message: error.message };
  console.error(error);
  return { state: 'failed', status: 0, message: 'This page failed. The browser’s console has the details.' };
}
