import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Browser, BrowserContext, BrowserContextOptions, Page, Response } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseBase64 } from '@margo-trust/bytes';
import { parseRelease, parseStatement, type Release } from '@margo-trust/statement';
import type { LogEntry, LogEntryDetail, LogEntryPage } from '@margo-trust/wire';
import { generateOpenpgpKey } from '../openpgp.ts';
import { repository } from '../service.ts';
import { because } from '../skipped.ts';
import { axeFindings } from './axe.ts';
import { findChromium, launchChromium } from './chromium.ts';
import { startRegistry } from './registry.ts';

const chromium = findChromium();
const SCREENSHOTS = join(import.meta.dirname, 'screenshots');
/** Compressed, for any one page. */
const SCRIPT_BUDGET_BYTES = 100_000;

/** What the demo story left in the log, found through the API as anybody would. */
interface Story {
  entry: LogEntry;
  release: Release;
}

let registry: Awaited<ReturnType<typeof startRegistry>>;
let browser: Browser;
let story: Story;

describe.skipIf(chromium === undefined)('the console', because('there is no Chromium here'), () => {
  beforeAll(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true });
    registry = await startRegistry();
    story = await loadStory();
    browser = await launchChromium(chromium ?? '');
  });
  afterAll(async () => {
    await browser?.close();
    await registry?.stop();
  });

  let context: BrowserContext;
  let page: Page;
  let complaints: string[];
  const open = async (options: BrowserContextOptions = {}) => {
    await context?.close();
    context = await browser.newContext({ baseURL: registry.url, ...options });
    page = await context.newPage();
    complaints = complaintsOf(page);
  };
  beforeEach(async () => {
    await open();
  });
  afterEach(async () => {
    await context.close();
  });

  describe('search', () => {
    it('leads from a digest to the release that pins it', async () => {
      await page.goto('/');
      await search(page, story.release.package.digest);
      const link = page.locator(`.entries a[href="/entry/${story.entry.index}"]`);
      await link.click();
      await page.waitForURL(`**/entry/${story.entry.index}`);
    });

    it('leads straight to an entry by its number or EntryID, and to a vendor by its id', async () => {
      for (const [typed, address] of [
        [story.entry.index, `/entry/${story.entry.index}`],
        [story.entry.entryId, `/entry/${story.entry.entryId}`],
        [story.entry.vendorId ?? '', `/vendor/${story.entry.vendorId}`],
      ] as const) {
        await page.goto('/');
        await search(page, typed);
        await page.waitForURL(`**${address}`);
      }
    });

    it('finds a release by its application id and by a reference it names', async () => {
      const { applicationId, components } = story.release;
      for (const typed of [applicationId, components.find(({ reference }) => reference)?.reference ?? applicationId]) {
        await page.goto('/');
        await search(page, typed);
        await page.locator(`.entries a[href="/entry/${story.entry.index}"]`).waitFor();
      }
    });

    it('narrows down by version and by day of registration', async () => {
      const { applicationId } = story.release;
      const found = page.locator(`.entries a[href="/entry/${story.entry.index}"]`);
      await page.goto('/');
      await search(page, `${applicationId} since:2020-01-01`);
      await found.waitFor();
      for (const bound of ['version:0.0.0-none', 'until:2020-01-01']) {
        await page.goto('/');
        await search(page, `${applicationId} ${bound}`);
        await page.getByText('No entry matches').waitFor();
        expect(await found.count()).toBe(0);
      }
    });

    it('says of an unknown digest that nobody signed it', async () => {
      await page.goto('/');
      await search(page, `sha256:${'0'.repeat(64)}`);
      await page.getByText('treat it as unsigned').waitFor();
    });
  });

  describe('an entry', () => {
    it('is re-verified in the browser, each step with its result', async () => {
      await page.goto(`/entry/${story.entry.index}`);
      expect(await verdict(page)).toBe('holds');
      expect(await stepOutcomes(page)).toEqual(Array(8).fill('holds'));
      expect(await page.locator('.verdict').innerText()).toContain(story.release.applicationId);
    });

    it('is never called checked when a tile was changed on the way', async () => {
      await page.route('**/log/tile/**', async (route) => {
        const response = await route.fetch();
        const body = await response.body();
        body[0] = (body[0] ?? 0) ^ 1;
        body[32] = (body[32] ?? 0) ^ 1;
        await route.fulfill({ response, body });
      });
      await page.goto(`/entry/${story.entry.index}`);
      expect(await verdict(page)).toBe('fails');
      await page.getByText('Do not rely on this entry').waitFor();
    });

    it('is not called checked when evidence is out of reach', async () => {
      await page.route('**/log/checkpoint', (route) => route.abort());
      await page.goto(`/entry/${story.entry.index}`);
      expect(await verdict(page)).toBe('open');
    });

    it('that does not exist is said not to', async () => {
      await page.goto('/entry/99999999');
      await page.getByText('The log has no such entry').waitFor();
      await page.goto('/nowhere');
      await page.getByRole('heading', { name: 'No such page' }).waitFor();
    });
  });

  describe('the log', () => {
    it('is checked in the browser and held against the last visit', async () => {
      await page.goto('/log');
      expect(await verdict(page)).toBe('holds');
      await page.getByText('the first checkpoint this browser has seen').waitFor();
      await page.reload();
      expect(await verdict(page)).toBe('holds');
      await page.getByText('what this browser saw on').waitFor();
    });

    it('raises an alarm when it contradicts what this browser saw, until that is forgotten', async () => {
      await page.goto('/log');
      expect(await verdict(page)).toBe('holds');
      await page.evaluate(() => {
        const name = Object.keys(localStorage).find((key) => key.startsWith('margo-trust:log:')) ?? '';
        const known = JSON.parse(localStorage.getItem(name) ?? '{}') as object;
        localStorage.setItem(name, JSON.stringify({ ...known, root: btoa('another root of thirty-two bytes') }));
      });
      await page.reload();
      expect(await verdict(page)).toBe('fails');
      await page.getByRole('button', { name: 'Forget what this browser saw' }).click();
      await page.locator('.verdict[data-outcome="holds"]').waitFor();
    });

    it('draws its growth, with the numbers as a table', async () => {
      await page.goto('/log');
      await page.locator('.chart svg[role="img"]').waitFor();
      await page.getByText('The same as a table').click();
      expect(await page.locator('.chart tbody tr').count()).toBeGreaterThan(1);
    });
  });

  it('shows a vendor with its standing, claims, certificates and entries', async () => {
    await page.goto(`/vendor/${story.entry.vendorId}`);
    expect(await verdict(page)).toBe('holds');
    await page.getByText('Applications whose id begins with').waitFor();
    await page.getByRole('region', { name: 'Table of certificates' }).waitFor();
    await page.locator(`.entries a[href="/entry/${story.entry.index}"]`).waitFor();
  });

  it('shows the OpenPGP keys of a vendor as what they are', async () => {
    const path = `/vendor/${story.entry.vendorId}`;
    await page.goto(path);
    await page.getByRole('region', { name: 'Table of certificates' }).waitFor();
    expect(await page.getByText('OpenPGP').count()).toBe(0);

    const { armored, fingerprint } = await generateOpenpgpKey();
    const file = join(mkdtempSync(join(tmpdir(), 'margo-browser-')), 'key.asc');
    writeFileSync(file, armored);
    const args = ['openpgp', 'register', file, '--as', 'victor', '--registry', registry.url];
    await promisify(execFile)(join(repository, 'apps/cli/bin/margo-trust.mjs'), args);
    rmSync(dirname(file), { recursive: true });
    await page.goto(path);
    await page.getByRole('heading', { name: 'OpenPGP keys, for reading only' }).waitFor();
    await page.getByText('Nothing becomes trusted by such a signature').waitFor();
    expect(await page.locator('#openpgp ~ ul').innerText()).toContain(fingerprint.slice(0, 6));
  });

  it('works by keyboard alone and puts the focus where the reader is', async () => {
    await page.goto('/');
    await page.locator('.entries li').first().waitFor();
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Skip to content');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.type(story.release.applicationId);
    await page.keyboard.press('Enter');
    await page.locator('#results').waitFor();
    const link = page.locator(`.entries a[href="/entry/${story.entry.index}"]`);
    await link.waitFor();
    for (let n = 0; n < 12 && !(await link.evaluate((element) => element === document.activeElement)); n++) {
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/entry/${story.entry.index}`);
    await page.locator('h1:focus').waitFor();
    await page.goBack();
    await page.locator('h1:focus').waitFor();
    expect(page.url()).toContain('?q=');
  });

  it('follows the system’s colours until told otherwise, and remembers', async () => {
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    await open({ colorScheme: 'dark' });
    await page.goto('/');
    const dark = await ground();
    await page.getByRole('button', { name: 'Use light colours' }).click();
    const light = await ground();
    expect(light).not.toBe(dark);
    await page.reload();
    await page.getByRole('button', { name: 'Use dark colours' }).waitFor();
    expect(await ground()).toBe(light);
  });

  it('asks nobody but the registry, breaks no policy and stays within its budget', async () => {
    const strangers: string[] = [];
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== registry.url) strangers.push(request.url());
    });
    const scripts: Response[] = [];
    page.on('response', (response) => {
      if (response.request().resourceType() === 'script') scripts.push(response);
    });
    for (const address of addresses()) {
      await page.goto(address);
      await settled(page);
      const bodies = await Promise.all(scripts.splice(0).map((response) => response.body()));
      const scriptBytes = bodies.reduce((sum, body) => sum + gzipSync(body).length, 0);
      expect(scriptBytes, address).toBeGreaterThan(0);
      expect(scriptBytes, address).toBeLessThanOrEqual(SCRIPT_BUDGET_BYTES);
    }
    expect(strangers).toEqual([]);
    expect(complaints).toEqual([]);
  });

  describe('looks', () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [320, 1280]) {
        it(`right in ${colorScheme} at ${width} pixels`, async () => {
          await open({ colorScheme, viewport: { width, height: 900 }, reducedMotion: 'reduce' });
          for (const [name, address] of Object.entries(screens())) {
            await page.goto(address);
            await settled(page);
            await page.screenshot({ path: join(SCREENSHOTS, `${name}-${colorScheme}-${width}.png`), fullPage: true });
            expect(await axeFindings(page), address).toEqual([]);
            expect(await sidewaysPixels(page), address).toBe(0);
          }
        });
      }
    }

    it('right in forced colours', async () => {
      await open({ forcedColors: 'active', viewport: { width: 1280, height: 900 } });
      await page.goto(`/entry/${story.entry.index}`);
      await settled(page);
      await page.screenshot({ path: join(SCREENSHOTS, 'entry-forced-1280.png'), fullPage: true });
      expect(await axeFindings(page)).toEqual([]);
    });
  });
});

function screens(): Record<string, string> {
  return {
    explorer: '/',
    results: `/?q=${encodeURIComponent(story.release.package.digest)}`,
    nothing: `/?q=sha256:${'0'.repeat(64)}`,
    entry: `/entry/${story.entry.index}`,
    record: '/entry/2',
    policy: '/entry/0',
    log: '/log',
    vendor: `/vendor/${story.entry.vendorId}`,
    missing: '/entry/99999999',
    'not-found': '/nowhere',
  };
}

function addresses(): string[] {
  return [screens()['explorer'], screens()['entry'], screens()['log'], screens()['vendor']].filter(
    (address) => address !== undefined,
  );
}

async function loadStory(): Promise<Story> {
  const { items } = await loadJson<LogEntryPage>('/api/v1/log/entries?type=release&limit=1');
  const [entry] = items;
  if (!entry) throw new Error('The registry has told no story: its log holds no release.');
  const { statement } = await loadJson<LogEntryDetail>(`/api/v1/log/entries/${entry.index}`);
  return { entry, release: parseRelease(parseStatement(parseBase64(statement ?? '')).payload) };
}

async function loadJson<T>(path: string): Promise<T> {
  const response = await fetch(registry.url + path);
  if (!response.ok) throw new Error(`${path} answered ${response.status}.`);
  return (await response.json()) as T;
}

/** Errors in the browser's console. A missing next root is how TUF says that there is none (§5.3.3), so that one is none. */
function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    const isNextRoot = /\/tuf\/\d+\.root\.json$/.test(message.location().url);
    if (message.type() === 'error' && !isNextRoot) complaints.push(`${message.text()} ${message.location().url}`);
  });
  return complaints;
}

async function search(page: Page, typed: string): Promise<void> {
  await page.getByLabel('Search the log').fill(typed);
  await page.keyboard.press('Enter');
}

/** The outcome that a page arrives at. */
async function verdict(page: Page): Promise<string | null> {
  await page.locator('.verdict:not([data-outcome="waiting"])').waitFor();
  return page.locator('.verdict').getAttribute('data-outcome');
}

async function stepOutcomes(page: Page): Promise<string[]> {
  return page.locator('.steps li').evaluateAll((items) => items.map(({ className }) => className));
}

/** Nothing on the page is still loading or being checked. */
async function settled(page: Page): Promise<void> {
  await page.locator('h1').waitFor();
  await page.waitForLoadState('networkidle');
  await page.waitForFunction(() => document.querySelector('.waiting, .outcome-icon.waiting') === null);
}

async function focused(page: Page): Promise<string | null> {
  return page.evaluate(() => document.activeElement?.textContent ?? null);
}

/** How far the page can be scrolled sideways, in CSS pixels (WCAG 1.4.10). */
async function sidewaysPixels(page: Page): Promise<number> {
  return page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth));
}
