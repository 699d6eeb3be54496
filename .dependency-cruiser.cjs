// The house of docs/architecture.md: stairs go down only, and areas meet at their readers.
const PURE =
  '^libs/(fault|bytes|cbor|crypto|merkle|tlog|cose|x509|timestamp|statement|sigstore|policy|index-map|revocation-filter|receipt|tuf|margo|verifier|auditor)/';
const AREA = '^apps/registry/src/(vendors|certificates|revocation|log|trust-root|governance|notifications|audit)/';

// Doors between areas that are not readers: putting something on record, in the log or in the audit trail, must happen
// in the transaction of the change itself.
const RECORDS = ['^apps/registry/src/log/append-record\\.ts$', '^apps/registry/src/audit/audit-trail\\.store\\.ts$'];

// What the log can prove to anybody, and the keys it does so with: derived on read, nothing is written.
const PROOFS =
  '^apps/registry/src/log/(served-log|log-identity|logs-on-record|describe-trust-root|head-signer|issue-receipt|sign-sct|witnessing/published-checkpoint|keys/log-keys?)\\.ts$';

// How an entry looks to callers, wherever it is shown.
const SHOWN = '^apps/registry/src/log/search/show-entry\\.ts$';

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    // An unresolved name would pass every other rule for innocent. (cborg publishes some types without code.)
    { name: 'resolves', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^cborg/' } },
    {
      name: 'cores-are-pure',
      severity: 'error',
      from: { path: PURE, pathNot: '/test/|\\.test\\.ts$|^libs/crypto/src/(node|openssl|async)\\.ts$' },
      to: {
        path: '^(node_modules/(@nestjs|typeorm|pg|rxjs|reflect-metadata)|fs|net|http|https|child_process|crypto|buffer|os|path|node:)',
        pathNot: '^libs/',
      },
    },
    { name: 'cores-look-down', severity: 'error', from: { path: '^libs/' }, to: { path: '^apps/' } },
    {
      name: 'apps-are-strangers',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'only-stores-see-rows',
      severity: 'error',
      from: { path: '^apps/registry/src/', pathNot: '\\.(store|reader|row)\\.ts$|/db/|\\.test\\.ts$' },
      to: { path: '\\.row\\.ts$' },
    },
    {
      name: 'areas-meet-at-their-reader',
      severity: 'error',
      from: { path: AREA, pathNot: '\\.test\\.ts$' },
      to: { path: AREA, pathNot: ['^apps/registry/src/$1/', '\\.(reader|module)\\.ts$', ...RECORDS, PROOFS, SHOWN] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist(-types)?/|^test/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'require', 'node', 'default'],
      extensions: ['.ts', '.tsx', '.js', '.mjs', '.d.ts'],
    },
  },
};
