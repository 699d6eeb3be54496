import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const PLACES = [
  process.env['CHROMIUM_PATH'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** A Chromium of this machine, or `undefined` where skipping is allowed. In CI a missing browser is a failure. */
export function findChromium(): string | undefined {
  const found = PLACES.find((path) => path !== undefined && path !== '' && existsSync(path));
  if (found !== undefined) return found;
  const advice = 'install chromium or set CHROMIUM_PATH';
  if (process.env['CI'] === 'true') throw new Error(`No Chromium on this machine: ${advice}.`);
  console.warn(`skipped: ${advice}`);
  return undefined;
}

/** Root needs --no-sandbox; the rest keeps the browser from talking to anybody but the page under test. */
export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--disable-dev-shm-usage',
    ],
  });
}
