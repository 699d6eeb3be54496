import tseslint from 'typescript-eslint';

const say = (selector, message) => ({ selector, message });

/** The roof knows the environment, the time and the dice; every other floor is given them. */
const belowTheRoof = [
  say(
    "MemberExpression[object.name='process'][property.name='env']",
    'Only the roof reads the environment: see config.ts.',
  ),
  say(
    "CallExpression[callee.object.name='Date'][callee.property.name='now']",
    'Take the time from the caller or the Clock.',
  ),
  say("NewExpression[callee.name='Date'][arguments.length=0]", 'Take the time from the caller or the Clock.'),
  say(
    "CallExpression[callee.object.name='Math'][callee.property.name='random']",
    'Take randomness from the caller or Random.',
  ),
  say("CallExpression[callee.property.name='randomUUID']", 'Take randomness from the caller or Random.'),
];

const everywhere = [
  say('ExportAllDeclaration', 'Name what is exported.'),
  say('TSEnumDeclaration', 'Use a union of literals.'),
  say('TSModuleDeclaration[kind="namespace"]', 'Use a file.'),
];

const nest = [
  say("CallExpression[callee.name='forwardRef']", 'Two modules that need each other want a third.'),
  say("MemberExpression[object.property.name='moduleRef'][property.name='get']", 'Inject it.'),
];

const globalModule = say("Decorator > CallExpression[callee.name='Global']", 'Import the module where it is needed.');

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/dist-types/**',
      '**/node_modules/**',
      '.cache/**',
      '.data/**',
      'coverage/**',
      'test/vectors/**',
      '**/vite.config.ts',
    ],
  },
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-control-regex': 'error',
      'no-restricted-syntax': ['error', ...everywhere],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-require-imports': 'error',
      '@typescript-eslint/no-import-type-side-effects': 'error',
    },
  },
  {
    files: ['libs/*/src/**/*.ts', 'migrations/src/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...everywhere,
        ...belowTheRoof,
        say('ExportDefaultDeclaration', 'Libraries have named exports.'),
      ],
    },
  },
  {
    files: ['apps/registry/src/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...everywhere, ...nest, globalModule, ...belowTheRoof] },
  },
  {
    // The roof and its two ports onto the system.
    files: ['apps/registry/src/{main,main-founding,main-maintenance,main-recover,main-worker,clock,random}.ts'],
    rules: { 'no-restricted-syntax': ['error', ...everywhere, ...nest] },
  },
  {
    files: ['apps/registry/src/db/db.module.ts', 'apps/registry/src/config.module.ts'],
    rules: { 'no-restricted-syntax': ['error', ...everywhere, ...nest, ...belowTheRoof] },
  },
  {
    files: ['apps/*/src/**/index.ts'],
    rules: { 'no-restricted-syntax': ['error', say('Program', 'No barrels inside apps.')] },
  },
  {
    // Tests may take the wall clock and know better than the compiler.
    files: [
      '**/*.test.ts',
      '**/*.test.tsx',
      'test/**/*.ts',
      'libs/*/test/**/*.ts',
      'libs/testkit/**/*.ts',
      '**/testing/**/*.{ts,tsx}',
    ],
    rules: {
      'no-restricted-syntax': ['error', ...everywhere],
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
);
