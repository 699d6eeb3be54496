import { Argument, type Command } from 'commander';
import type { Run } from '../command.ts';
import type { Outcome } from '../outcome.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

export function addCompletion(program: Command, run: Run): void {
  program
    .command('completion')
    .description('print completions for a shell: source <(margo-trust completion bash)')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action(run((_session, shell: Shell) => Promise.resolve(complete(program, shell))));
}

function complete(program: Command, shell: Shell): Outcome {
  const words = wordsOf(program);
  const script = shell === 'fish' ? fishScript(words) : bashScript(words, shell === 'zsh');
  return { data: { shell, script }, lines: script.trimEnd().split('\n') };
}

/** What may follow each command, `''` being the program itself. */
function wordsOf(program: Command): Map<string, string[]> {
  const global = program.options.flatMap(({ long }) => long ?? []);
  const words = new Map<string, string[]>();
  const add = (command: Command, path: string): void => {
    const own = path === '' ? [] : command.options.flatMap(({ long }) => long ?? []);
    words.set(path, [...command.commands.map((child) => child.name()), ...own, ...global]);
    for (const child of command.commands) add(child, `${path} ${child.name()}`.trim());
  };
  add(program, '');
  return words;
}

function bashScript(words: ReadonlyMap<string, readonly string[]>, isZsh: boolean): string {
  const cases = [...words].map(([path, next]) => `    '${path}') words='${next.join(' ')}' ;;`);
  return `${isZsh ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''}_margo_trust() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  while :; do
    case "$path" in
${cases.map((line) => `  ${line}`).join('\n')}
    esac
    if [ -n "$words" ] || [ -z "$path" ]; then break; fi
    case "$path" in *' '*) path="\${path% *}" ;; *) path='' ;; esac
  done
  COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -- "$current"))
}
complete -o filenames -F _margo_trust margo-trust
`;
}

function fishScript(words: ReadonlyMap<string, readonly string[]>): string {
  const lines: string[] = [];
  for (const [path, next] of words) {
    const seen = path.split(' ').filter((word) => word !== '');
    const condition =
      seen.length === 0
        ? '__fish_use_subcommand'
        : seen.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
    for (const word of next) {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`;
      lines.push(`complete -c margo-trust -n '${condition}' ${what}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
