/** One command of a document, as a reader would paste it. */
export interface DocCommand {
  /** Without comments; lines that ended in a backslash are joined. */
  readonly text: string;
  /** Line of the document it begins at, counted from 1. */
  readonly line: number;
}

/**
 * The commands of a Markdown document, in order: every line of its ```sh blocks. Blocks of another kind (```text for what
 * a command prints) are for the reader's eyes.
 */
export function readDocCommands(markdown: string): DocCommand[] {
  const commands: DocCommand[] = [];
  let isInside = false;
  let begun: DocCommand | undefined;
  for (const [index, line] of markdown.split('\n').entries()) {
    if (line.startsWith('```')) {
      isInside = !isInside && line.trim() === '```sh';
      continue;
    }
    const text = line.trim();
    if (!isInside || text === '' || (begun === undefined && text.startsWith('#'))) continue;
    const continues = text.endsWith('\\');
    const part = continues ? text.slice(0, -1).trimEnd() : text;
    begun = begun ? { ...begun, text: `${begun.text} ${part}` } : { text: part, line: index + 1 };
    if (continues) continue;
    commands.push(begun);
    begun = undefined;
  }
  if (begun) throw new Error(`The command that begins at line ${begun.line} has no end.`);
  return commands;
}
