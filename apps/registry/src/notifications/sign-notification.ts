import { createHmac } from 'node:crypto';

/**
 * The headers of a notification as Standard Webhooks 1.0 has them: the signature is HMAC-SHA256 over id, time and body, so
 * neither can be changed, and an old one cannot be sent again unnoticed. `id` is the same for every attempt.
 */
export function signNotification(secret: Uint8Array, id: string, at: Date, body: Uint8Array): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1_000));
  const mac = createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` };
}

/** How a secret is shown to who will check signatures with it. */
export function showSecret(secret: Uint8Array): string {
  return `whsec_${Buffer.from(secret).toString('base64')}`;
}
