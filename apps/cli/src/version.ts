/** Of the command line tool; part of what it writes into signatures as their agent. */
export const VERSION = '0.1.0';
export const AGENT = `margo-trust/${VERSION}`;
