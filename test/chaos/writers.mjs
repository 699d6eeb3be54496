/** Callers of the registry: writers that ask again until they are answered, and one that keeps reading the checkpoint. */
import { createHash, createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { draftArtifactStatement, finishStatement } from '@margo-trust/statement';

/**
 * Starts so many writers. Each has one statement at a time and sends it until it is acknowledged, as a careful client does;
 * `hear` gets every acknowledgement and every checkpoint as they come.
 */
export function startCallers(url, directory, count, hear) {
  const draw = statementsOf(directory);
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

/** Distinct artifact signatures of the demonstration's vendor, with the log entry that each becomes. */
function statementsOf(directory) {
  const key = createPrivateKey(readFileSync(join(directory, 'key.pem')));
  const chain = readFileSync(join(directory, 'chain.pem'), 'utf8')
    .split(/(?=-----BEGIN)/)
    .filter((pem) => pem.startsWith('-----BEGIN'))
    .map((pem) => Uint8Array.from(new X509Certificate(pem).raw));
  const issuer = new X509Certificate(chain[0]).subjectAltName.replace(/^URI:/, '');
  return () => {
    const digest = `sha256:${randomBytes(32).toString('hex')}`;
    const draft = draftArtifactStatement({
      algorithm: 'ES256',
      issuer,
      subject: `oci:image:${digest}`,
      target: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1 },
      signingTime: new Date(),
      leafDer: chain[0],
    });
    const signature = Uint8Array.from(sign('sha256', draft.toBeSigned, { key, dsaEncoding: 'ieee-p1363' }));
    // Without chain the unprotected header is empty, and these are the bytes that the log's entry is the digest of.
    const entry = createHash('sha256').update(finishStatement(draft, signature)).digest();
    return { body: Buffer.from(finishStatement(draft, signature, { chain })), entry };
  };
}
