import { isEntryId } from './search.ts';

/** Which of the newest entries the explorer lists. */
export const SHOWS = ['all', 'release', 'artifact', 'record'] as const;
export type Show = (typeof SHOWS)[number];

export type Route =
  | { page: 'explorer'; query: string; show: Show }
  | { page: 'entry'; id: string }
  | { page: 'log' }
  | { page: 'vendor'; id: string }
  | { page: 'not-found' };

/** The page of an address. `/entry/…` takes an index or an EntryID, `/vendor/…` a vendor's id. */
export function parseRoute(pathname: string, search = ''): Route {
  const [first = '', second = '', ...more] = pathname.replace(/^\/|\/$/g, '').split('/');
  if (more.length > 0) return { page: 'not-found' };
  if (first === '' && second === '') {
    const parameters = new URLSearchParams(search);
    const show = SHOWS.find((kind) => kind === parameters.get('show')) ?? 'all';
    return { page: 'explorer', query: parameters.get('q') ?? '', show };
  }
  if (first === 'log' && second === '') return { page: 'log' };
  if (first === 'entry' && (/^\d{1,18}$/.test(second) || isEntryId(second))) return { page: 'entry', id: second };
  if (first === 'vendor' && /^[0-9a-z]{26}$/i.test(second)) return { page: 'vendor', id: second.toLowerCase() };
  return { page: 'not-found' };
}

/**
 * Follows the browser's address and keeps links to pages of this application from reloading it. Returns how to stop.
 * Modified clicks, downloads, other origins and addresses that the service answers itself stay the browser's business.
 */
export function followAddress(moved: (route: Route) => void): () => void {
  const arrive = () => {
    moves++;
    moved(currentRoute());
  };
  const click = (event: MouseEvent) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !isPlain || event.defaultPrevented || link.target !== '' || link.hasAttribute('download')) return;
    if (link.origin !== location.origin || link.hash !== '' || parseRoute(link.pathname).page === 'not-found') return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  };
  addEventListener('popstate', arrive);
  document.addEventListener('click', click);
  return () => {
    removeEventListener('popstate', arrive);
    document.removeEventListener('click', click);
  };
}

/** Whether the reader has moved since the document was loaded: only then does a page take the focus. */
export function hasMoved(): boolean {
  return moves > 0;
}

export function currentRoute(): Route {
  return parseRoute(location.pathname, location.search);
}

/** Goes to an address of this application. `replace` leaves no step to come back to. */
export function navigate(address: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  dispatchEvent(new PopStateEvent('popstate'));
  if (!replace) scrollTo(0, 0);
}

let moves = 0;
