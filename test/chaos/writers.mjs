/** Callers of the registry: writers that ask again until they are answered, and one that keeps reading the checkpoint. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { statementMaker } from '../demo-vendor.mjs';

/**
 * Starts so many writers. Each has one statement at a time and sends it until it is acknowledged, as a careful client does;
 * `hear` gets every acknowledgement and every checkpoint as they come.
 */
export function startCallers(url, directory, count, hear) {
  const draw = statementMaker(directory);
  const agent = new Agent({ keepAlive: true });
  const counts = { acknowledged: 0, refused: 0, unanswered: 0, unexpected: [] };
  let isOver = false;

  const write = async () => {
    while (!isOver) {
      const { body, entry } = draw();
      for (let answered = false; !answered && !isOver;) {
        const answer = await send(agent, 'POST', `${url}/entries`, body).catch(() => undefined);
        answered = answer?.status === 201;
        if (answered) {
          counts.acknowledged += 1;
          hear({ acknowledged: { entry: entry.toString('base64'), receipt: answer.body.toString('base64') } });
          continue;
        }
        if (answer === undefined) counts.unanswered += 1;
        else if (answer.status === 503 || answer.status === 500) counts.refused += 1;
        else counts.unexpected.push(`${answer.status} ${answer.body.toString('latin1').slice(0, 200)}`);
        await sleep(50);
      }
    }
  };
  const watch = async () => {
    while (!isOver) {
      const answer = await send(agent, 'GET', `${url}/log/checkpoint`).catch(() => undefined);
      if (answer?.status === 200) hear({ checkpoint: answer.body.toString('base64') });
      await sleep(20);
    }
  };
  const callers = [...Array.from({ length: count }, write), watch()];
  return {
    counts,
    async stop() {
      isOver = true;
      await Promise.all(callers);
      agent.destroy();
    },
  };
}

function send(agent, method, url, body) {
  return new Promise((resolve, reject) => {
    const headers = body ? { 'content-type': 'application/cose', 'content-length': body.length } : {};
    const sent = request(url, { method, headers, agent, timeout: 20_000 }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('close', () => (response.complete ? undefined : reject(new Error('cut off'))));
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(parts) }));
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('error', reject);
    sent.end(body);
  });
}
