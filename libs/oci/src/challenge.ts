/** One challenge of a WWW-Authenticate header (RFC 9110 §11.6.1): its scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** The challenges in a header that comes from the registry. Total: what cannot be read is left out. */
export function readChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  for (const { groups } of header.slice(0, 8192).matchAll(PART)) {
    const name = groups?.['name']?.toLowerCase();
    if (name === undefined) {
      challenges.push({ scheme: groups?.['scheme']?.toLowerCase() ?? '', parameters: new Map() });
    } else {
      const value = groups?.['quoted']?.replace(/\\(.)/g, '$1') ?? groups?.['plain'] ?? '';
      challenges.at(-1)?.parameters.set(name, value);
    }
  }
  return challenges;
}

const PART = /(?<name>[A-Za-z_-]+)=(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<plain>[^\s,"]+))|(?<scheme>[A-Za-z]+)/g;
