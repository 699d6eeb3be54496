import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

/**
 * npm may install one version of `@noble/hashes` in two places, for `libs/crypto` and for the curves it uses. The page
 * needs it once: everybody gets the copy of `libs/crypto`.
 */
const oneCopyOfHashes: Plugin = {
  name: 'one-copy-of-hashes',
  enforce: 'pre',
  resolveId(id) {
    const owner = fileURLToPath(new URL('../../libs/crypto/src/portable.ts', import.meta.url));
    return id.startsWith('@noble/hashes/') ? this.resolve(id, owner, { skipSelf: true }) : undefined;
  },
};

/**
 * Everything the page needs comes from its own origin and from files: no inline script or style, so the strictest
 * Content-Security-Policy holds. The libraries are read from their sources; `libs/crypto` answers with its portable half.
 */
export default defineConfig({
  root: import.meta.dirname,
  base: '/',
  plugins: [oneCopyOfHashes],
  resolve: { conditions: ['source', 'browser', 'module'] },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2023',
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
