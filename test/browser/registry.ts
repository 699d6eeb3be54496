import { startService, type Service } from '../service.ts';

/**
 * `npm start` as a person would run it, with the demo story. `BROWSER_TEST_URL` names a registry that runs already instead;
 * it must have told its story.
 */
export async function startRegistry(): Promise<Pick<Service, 'url' | 'stop'>> {
  const running = process.env['BROWSER_TEST_URL'];
  if (running !== undefined && running !== '') return { url: running.replace(/\/$/, ''), stop: async () => {} };
  return startService();
}
