import { fileURLToPath } from 'node:url';
import { getQuickJS, type QuickJSContext } from 'quickjs-emscripten';
import { build, type Plugin } from 'vite';

/**
 * A module inside QuickJS, a small engine that has the JavaScript language and nothing else: no TextDecoder, URL,
 * Buffer, crypto, timers or console. What runs here runs in an agent that embeds any such engine.
 */
export interface BareModule {
  /** Calls an exported function. Arguments and result travel as JSON; what it throws is thrown here, with its `code`. */
  call(name: string, ...args: readonly unknown[]): unknown;
  /** Size of the bundle, in UTF-16 units. */
  readonly size: number;
  close(): void;
}

/** Bundles a module with everything it imports, choosing what is not for Node, and loads it into a fresh engine. */
export async function openInBareEngine(entry: URL): Promise<BareModule> {
  const script = await bundle(fileURLToPath(entry));
  const engine = (await getQuickJS()).newContext();
  engine.runtime.setMemoryLimit(256 * 1024 * 1024);
  try {
    run(engine, script);
  } catch (error) {
    engine.dispose();
    throw error;
  }
  return {
    call: (name, ...args) => call(engine, name, args),
    size: script.length,
    close: () => engine.dispose(),
  };
}

async function bundle(entry: string): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    plugins: [refusePlatform],
    resolve: { conditions: ['source', 'module'] },
    build: { write: false, target: 'es2020', minify: false, lib: { entry, formats: ['iife'], name: GLOBAL } },
  });
  const [output, ...others] = Array.isArray(result) ? result.flatMap((each) => each.output) : [];
  if (output?.type !== 'chunk' || others.length > 0) throw new Error('Expected one script.');
  return output.code;
}

/** Vite would put an empty object in the place of what a browser lacks, and the fault would show much later. */
const refusePlatform: Plugin = {
  name: 'refuse-platform',
  enforce: 'pre',
  resolveId(id, importer) {
    if (id.startsWith('node:')) throw new Error(`${importer} imports ${id}, which a bare engine does not have.`);
  },
};

function call(engine: QuickJSContext, name: string, args: readonly unknown[]): unknown {
  const given = args.map((arg) => JSON.stringify(arg)).join(', ');
  const answer = JSON.parse(
    run(
      engine,
      `(() => {
        try { return JSON.stringify({ value: ${GLOBAL}.${name}(${given}) }); }
        catch (error) {
          const { code, message, stack } = error;
          return JSON.stringify({ thrown: { code, message, stack } });
        }
      })()`,
    ),
  ) as { value?: unknown; thrown?: object };
  if (answer.thrown) throw Object.assign(new Error(), answer.thrown);
  return answer.value;
}

function run(engine: QuickJSContext, script: string): string {
  const handle = engine.unwrapResult(engine.evalCode(script));
  try {
    return String(engine.dump(handle));
  } finally {
    handle.dispose();
  }
}

const GLOBAL = 'bareModule';
