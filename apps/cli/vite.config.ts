import { defineConfig } from 'vite';

/**
 * One file without dependencies, made of the libraries' sources; it runs on Node alone. openpgp.js stays a package of its own, which is
 * looked for when the first OpenPGP signature is met.
 */
export default defineConfig({
  root: import.meta.dirname,
  ssr: { noExternal: true, external: ['openpgp'], resolve: { conditions: ['source', 'module', 'node'] } },
  build: {
    ssr: 'src/main.ts',
    target: 'node20',
    outDir: 'dist',
    emptyOutDir: true,
    minify: true,
    rolldownOptions: {
      output: { entryFileNames: 'margo-trust.js', codeSplitting: false, banner: '#!/usr/bin/env node' },
    },
  },
});
