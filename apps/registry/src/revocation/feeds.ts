import { encodeHex } from '@margo-trust/bytes';
import { wireTime } from '../wire-time.ts';
import type { HeldRevocation, ListedCertificate } from './revocation.reader.ts';

export interface Feed {
  /** Where the registry is: no slash at the end. */
  readonly url: string;
  /** The latest first. */
  readonly decisions: readonly HeldRevocation[];
  readonly now: Date;
}

const TITLE = 'Revocations';

/** JSON Feed 1.1 (jsonfeed.org); what programs want is in the extension `_revocation`. */
export function encodeJsonFeed({ url, decisions }: Feed): string {
  return json({
    version: 'https://jsonfeed.org/version/1.1',
    title: TITLE,
    home_page_url: `${url}/`,
    feed_url: `${url}/revocations/feed.json`,
    items: decisions.map((held) => ({
      id: idOf(held),
      url: recordOf(url, held),
      title: titleOf(held),
      content_text: textOf(held),
      date_published: wireTime(held.revokedAt),
      _revocation: {
        ...{ kind: held.kind, target: held.target },
        ...(held.vendorId !== undefined && { vendor: held.vendorId }),
        reason: held.reason,
        ...(held.invalidityDate && { invalidityDate: wireTime(held.invalidityDate) }),
        ...{ sequence: Number(held.sequence), entryId: held.entryId },
      },
    })),
  });
}

/** RFC 4287. */
export function encodeAtomFeed({ url, decisions, now }: Feed): string {
  const entries = decisions.map((held) =>
    [
      '  <entry>',
      `    <id>${idOf(held)}</id>`,
      `    <title>${escape(titleOf(held))}</title>`,
      `    <updated>${wireTime(held.revokedAt)}</updated>`,
      `    <link href="${escape(recordOf(url, held))}"/>`,
      `    <summary>${escape(textOf(held))}</summary>`,
      '  </entry>',
    ].join('\n'),
  );
  return `${[
    '<?xml version="1.0" encoding="utf-8"?>',
    '<feed xmlns="http://www.w3.org/2005/Atom">',
    `  <id>${escape(url)}/revocations/feed.atom</id>`,
    `  <title>${TITLE}</title>`,
    `  <updated>${wireTime(decisions[0]?.revokedAt ?? now)}</updated>`,
    `  <author><name>${escape(new URL(url).host)}</name></author>`,
    `  <link rel="self" href="${escape(url)}/revocations/feed.atom"/>`,
    ...entries,
    '</feed>',
  ].join('\n')}\n`;
}

/**
 * The shape of the revocation list that Margo's identity framework drafted (MIAF, `/api/v1/revocations`), over signing
 * certificates. It knows no dates and no reasons, so it holds what refuses every signature for readers who know neither: what is on CRLs.
 */
export function encodeMiafList(listed: readonly ListedCertificate[], now: Date): string {
  return json({
    lastUpdated: wireTime(now),
    revokedSvids: listed.map(({ serial, fingerprint, revokedAt }) => ({
      certFingerprintSha256: encodeHex(fingerprint),
      serialNumber: serial.toUpperCase(),
      revokedAt: wireTime(revokedAt),
    })),
  });
}

function titleOf({ kind, target, reason }: HeldRevocation): string {
  return `${NAMES[kind]} ${target} revoked: ${reason}`;
}

function textOf({ invalidityDate, reason }: HeldRevocation): string {
  if (invalidityDate) return `Signatures with trusted time from ${wireTime(invalidityDate)} on are refused.`;
  const keepsOlder = ['superseded', 'affiliationChanged', 'cessationOfOperation'].includes(reason);
  return keepsOlder ? 'Signatures made after the revocation are refused.' : 'Every signature is refused.';
}

const NAMES: Readonly<Record<HeldRevocation['kind'], string>> = {
  certificate: 'Certificate',
  key: 'Key',
  issuer: 'Issuing CA',
  vendor: 'Vendor',
  digest: 'Artifact',
};

/** A later decision about the same is a new entry: who has read the one before must hear of it. */
function idOf({ entryId, sequence }: HeldRevocation): string {
  return `urn:margo:revocation:${entryId}:${sequence}`;
}

function recordOf(url: string, { entryId }: HeldRevocation): string {
  return `${url}/api/v1/log/entries/${entryId}`;
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 1)}\n`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
