import { useEffect, useState } from 'preact/hooks';
import { NotFoundPage } from './pages/not-found.tsx';
import { Lazy } from './parts/lazy.tsx';
import { ThemeSwitch } from './parts/theme-switch.tsx';
import { currentRoute, followAddress, type Route } from './router.ts';

export function App() {
  const [route, go] = useState(currentRoute);
  useEffect(() => followAddress(go), []);
  const place = route.page === 'explorer' ? 'explorer' : JSON.stringify(route);
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="top">
        <div class="bar">
          <a class="brand" href="/">
            <img src="/mark.svg" alt="" width="28" height="28" />
            <span>Margo Trust Registry</span>
          </a>
          <nav aria-label="Pages">
            <a href="/" aria-current={route.page === 'explorer' ? 'page' : undefined}>
              Explore
            </a>
            <a href="/log" aria-current={route.page === 'log' ? 'page' : undefined}>
              Log
            </a>
            <a href="/docs">API</a>
          </nav>
          <ThemeSwitch />
        </div>
      </header>
      <main id="main" class="bar" tabIndex={-1}>
        <Page route={route} key={place} />
      </main>
      <footer class="foot">
        <div class="bar">
          <p>
            Proofs on this page are checked by code running in this browser. For a decision that rests on nothing this
            server sends, use <code>margo-trust verify --offline</code> with a trust root obtained elsewhere.
          </p>
        </div>
      </footer>
    </>
  );
}

function Page({ route }: { route: Route }) {
  switch (route.page) {
    case 'explorer':
      return (
        <Lazy load={() => import('./pages/explorer.tsx')}>
          {({ ExplorerPage }) => <ExplorerPage query={route.query} show={route.show} />}
        </Lazy>
      );
    case 'entry':
      return <Lazy load={() => import('./pages/entry.tsx')}>{({ EntryPage }) => <EntryPage id={route.id} />}</Lazy>;
    case 'log':
      return <Lazy load={() => import('./pages/log.tsx')}>{({ LogPage }) => <LogPage />}</Lazy>;
    case 'vendor':
      return <Lazy load={() => import('./pages/vendor.tsx')}>{({ VendorPage }) => <VendorPage id={route.id} />}</Lazy>;
    case 'not-found':
      return <NotFoundPage />;
  }
}
