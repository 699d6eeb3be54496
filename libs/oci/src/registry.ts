import { setTimeout as pause } from 'node:timers/promises';
import { MEDIA } from '@margo-trust/margo';
import { Authorization, type Access } from './authorization.ts';
import { DEFAULT_MAX_BLOB_BYTES, collect, tooLarge, verifyContent, verifyStream } from './content.ts';
import type { CredentialStore } from './credentials.ts';
import { isDigest, verifyDigestForm, type Descriptor } from './descriptor.ts';
import { OciFault } from './fault.ts';
import {
  mayBePlain,
  parseServerUrl,
  readBody,
  request,
  type HttpAnswer,
  type HttpOptions,
  type HttpRequest,
} from './http.ts';
import { encodeJson, isObject, parseJsonObject, type JsonObject } from './json.ts';
import { MANIFEST_TYPES, MAX_ENTRIES, MAX_MANIFEST_BYTES, parseManifest, type Manifest } from './manifest.ts';
import { parseReference, TAG } from './reference.ts';
import type { OciTarget, WriteOptions } from './source.ts';

export interface RegistryOptions extends HttpOptions {
  readonly credentials?: CredentialStore;
}

/**
 * One repository of a registry (OCI distribution-spec v1.1).
 *
 * TLS except on the loopback interface and where the operator allowed plain HTTP; redirects are followed for blobs only
 * and never carry credentials to another origin. The registry is trusted for nothing but availability: it can hide
 * artifacts and referrers, or name others for a tag, but not change what a digest stands for.
 */
export class OciRegistry implements OciTarget {
  readonly name: string;
  private readonly base: string;
  private readonly authorization: Authorization;
  private readonly options: RegistryOptions;
  private lastFallbackWrite: Promise<unknown> = Promise.resolve();

  constructor(registry: string, repository: string, options: RegistryOptions = {}) {
    this.name = `${registry}/${repository}`;
    const reference = parseReference(this.name);
    if (reference.kind !== 'registry' || reference.registry !== registry || reference.repository !== repository) {
      throw new OciFault('oci/bad-reference', 'A registry and a repository in full are needed.');
    }
    const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
    this.base = `${mayBePlain(host, options) ? 'http' : 'https'}://${host}/v2/${repository}/`;
    this.authorization = new Authorization(registry, repository, options.credentials, options);
    this.options = options;
  }

  async resolve(reference: string): Promise<Descriptor> {
    return (await this.readManifest(reference)).descriptor;
  }

  async loadManifest({ digest, size, mediaType }: Pick<Descriptor, 'digest'> & Partial<Descriptor>): Promise<Manifest> {
    verifyDigestForm(digest);
    const manifest = await this.readManifest(digest);
    if (size !== undefined) verifyContent(manifest.bytes, { digest, size });
    if (mediaType !== undefined && manifest.descriptor.mediaType !== mediaType) {
      throw new OciFault('oci/bad-manifest', `${digest} is not of the media type it was described with.`);
    }
    return manifest;
  }

  async loadBlob(descriptor: Descriptor, maxBytes = DEFAULT_MAX_BLOB_BYTES): Promise<Uint8Array> {
    if (descriptor.size > maxBytes) throw tooLarge(maxBytes);
    return collect(this.openBlob(descriptor), descriptor.size);
  }

  async *openBlob(descriptor: Descriptor): AsyncGenerator<Uint8Array> {
    verifyDigestForm(descriptor.digest);
    const answer = await this.askForBlob('GET', descriptor.digest);
    if (answer.status !== 200) throw await this.refusal(answer, descriptor.digest);
    yield* verifyStream(answer.body, descriptor);
  }

  async hasBlob({ digest }: Descriptor): Promise<boolean> {
    verifyDigestForm(digest);
    const answer = await this.askForBlob('HEAD', digest);
    if (answer.status !== 200 && answer.status !== 404) throw await this.refusal(answer, digest);
    await answer.discard();
    return answer.status === 200;
  }

  /** By the referrers API, or the referrers tag of a registry without it (distribution-spec, *Listing Referrers*). */
  async referrers(digest: string, artifactType?: string): Promise<Descriptor[]> {
    verifyDigestForm(digest);
    const listed = (await this.askReferrersApi(digest, artifactType)) ?? (await this.readFallback(digest)).descriptors;
    return listed.filter((each) => !artifactType || !each.artifactType || each.artifactType === artifactType);
  }

  async tags(): Promise<string[]> {
    const tags: string[] = [];
    for await (const answer of this.pages(`tags/list?n=1000`)) {
      if (answer.status === 404) await answer.discard();
      else if (answer.status !== 200) throw await this.refusal(answer, 'the list of tags');
      else {
        const body = await readBody(answer, MAX_MANIFEST_BYTES);
        const page = parseJsonObject(body, MAX_MANIFEST_BYTES, 'oci/bad-answer', 'The list of tags')['tags'];
        if (Array.isArray(page))
          tags.push(...page.filter((tag): tag is string => typeof tag === 'string' && TAG.test(tag)));
        if (tags.length > MAX_ENTRIES) throw new OciFault('oci/too-many', `${this.name} has more than 10,000 tags.`);
      }
    }
    return tags;
  }

  async writeBlob(descriptor: Descriptor, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    if (await this.hasBlob(descriptor)) return;
    const begun = await this.ask('blobs/uploads/', { method: 'POST', headers: { 'content-length': '0' } }, 'pull,push');
    if (begun.status !== 202) throw await this.refusal(begun, 'an upload');
    await begun.discard();
    const upload = parseServerUrl(begun.headers.get('location') ?? '', `${this.base}blobs/uploads/`, this.options);
    upload.searchParams.set('digest', descriptor.digest);
    const body = content instanceof Uint8Array ? content : verifyStream(content, descriptor);
    if (content instanceof Uint8Array) verifyContent(content, descriptor);
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(descriptor.size) };
    const done = await this.ask(upload, { method: 'PUT', headers, body }, 'pull,push');
    if (done.status !== 201) throw await this.refusal(done, descriptor.digest);
    await done.discard();
  }

  async writeManifest(bytes: Uint8Array, { tag }: WriteOptions = {}): Promise<Descriptor> {
    if (tag !== undefined && !TAG.test(tag))
      throw new OciFault('oci/bad-reference', 'A tag has characters it cannot have.');
    const { descriptor, subject, annotations } = parseManifest(bytes);
    const answer = await this.putManifest(bytes, descriptor, tag ?? descriptor.digest);
    await answer.discard();
    const stored = answer.headers.get('docker-content-digest');
    if (stored !== null && stored !== descriptor.digest) {
      throw new OciFault('oci/bad-answer', `${this.name} stored another digest than it was sent.`);
    }
    // A registry that knows subjects says so; one that does not leaves the list of referrers to its clients.
    if (
      subject &&
      answer.headers.get('oci-subject') !== subject.digest &&
      !(await this.hasReferrersApi(subject.digest))
    ) {
      const listed = { ...descriptor, ...(Object.keys(annotations).length > 0 && { annotations }) };
      await this.updateFallback(subject.digest, descriptor.digest, listed);
    }
    return descriptor;
  }

  /**
   * Docker's registry calls a digest invalid when it reads its own link to a blob while another upload is writing it; the
   * digest was computed here, so the same request a moment later is right.
   */
  private async putManifest(body: Uint8Array, { mediaType, digest }: Descriptor, where: string): Promise<HttpAnswer> {
    const headers = { 'content-type': mediaType };
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.ask(`manifests/${where}`, { method: 'PUT', headers, body }, 'pull,push');
      if (answer.status === 201) return answer;
      const reason = await readReason(answer);
      if (attempt === MAX_ATTEMPTS || reason !== ', DIGEST_INVALID') throw await this.refusal(answer, digest, reason);
      await pause(attempt * 100);
    }
  }

  async removeReferrer(subject: string, referrer: Descriptor): Promise<void> {
    verifyDigestForm(referrer.digest);
    const isListedByUs = !(await this.hasReferrersApi(subject));
    if (isListedByUs) await this.updateFallback(subject, referrer.digest, undefined);
    const answer = await this.ask(`manifests/${referrer.digest}`, { method: 'DELETE' }, 'pull,push,delete');
    // Where the list is ours, an undeleted manifest is only unused space.
    if (![200, 202, 404].includes(answer.status) && !isListedByUs) throw await this.refusal(answer, referrer.digest);
    await answer.discard();
  }

  /** Manifests come without redirects, by digest or by tag; the bytes must match whatever digest is claimed. */
  private async readManifest(reference: string): Promise<Manifest> {
    if (!isDigest(reference) && !TAG.test(reference)) {
      throw new OciFault('oci/bad-reference', 'A registry resolves a tag or a digest.');
    }
    const headers = { accept: MANIFEST_TYPES.join(', ') };
    const answer = await this.ask(`manifests/${reference}`, { method: 'GET', headers }, 'pull');
    if (answer.status !== 200) throw await this.refusal(answer, reference);
    const bytes = await readBody(answer, MAX_MANIFEST_BYTES);
    const claimed = isDigest(reference) ? reference : answer.headers.get('docker-content-digest');
    if (claimed !== null) verifyContent(bytes, { digest: claimed });
    return parseManifest(bytes, mediaTypeOf(answer));
  }

  /** `undefined` where the registry has no such API. */
  private async askReferrersApi(digest: string, artifactType?: string): Promise<Descriptor[] | undefined> {
    const query = artifactType ? `?artifactType=${encodeURIComponent(artifactType)}` : '';
    const found: Descriptor[] = [];
    for await (const answer of this.pages(`referrers/${digest}${query}`)) {
      const isMissing = NO_SUCH_API.has(answer.status) || isRedirect(answer);
      if (isMissing || (answer.status === 200 && mediaTypeOf(answer) !== MEDIA.index)) {
        await answer.discard();
        return undefined;
      }
      // Busy is not "none": to take it for unsigned would be a lie.
      if (answer.status !== 200) throw await this.refusal(answer, 'the list of referrers');
      const page = parseManifest(await readBody(answer, MAX_MANIFEST_BYTES), MEDIA.index);
      if (page.kind === 'index') found.push(...page.manifests);
      if (found.length > MAX_ENTRIES) throw new OciFault('oci/too-many', `${digest} has more than 10,000 referrers.`);
    }
    return found;
  }

  private async hasReferrersApi(digest: string): Promise<boolean> {
    return (await this.askReferrersApi(digest)) !== undefined;
  }

  private async readFallback(
    subject: string,
  ): Promise<{ descriptors: readonly Descriptor[]; entries: readonly JsonObject[] }> {
    try {
      const manifest = await this.readManifest(fallbackTag(subject));
      if (manifest.kind !== 'index') throw new OciFault('oci/bad-manifest', 'The list of referrers is not an index.');
      const json = parseJsonObject(manifest.bytes, MAX_MANIFEST_BYTES, 'oci/bad-manifest', 'The list of referrers');
      const entries = Array.isArray(json['manifests']) ? json['manifests'].filter(isObject) : [];
      return { descriptors: manifest.manifests, entries };
    } catch (error) {
      if (error instanceof OciFault && error.code === 'oci/not-found') return { descriptors: [], entries: [] };
      throw error;
    }
  }

  /**
   * Adds or removes one entry of the referrers tag (distribution-spec, *Pushing Manifests with Subject*). The tag can
   * only be read, changed and written back; whoever writes at the same moment may undo it, so it is read once more.
   */
  private updateFallback(subject: string, digest: string, added: Descriptor | undefined): Promise<void> {
    const update = this.lastFallbackWrite.then(async () => {
      for (let attempt = 0; attempt < 5; attempt++) {
        const { entries } = await this.readFallback(subject);
        if (entries.some((entry) => entry['digest'] === digest) === (added !== undefined)) return;
        if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** attempt));
        const others = entries.filter((entry) => entry['digest'] !== digest);
        const manifests = added ? [...others, added] : others;
        if (manifests.length > MAX_ENTRIES)
          throw new OciFault('oci/too-many', `${subject} has more than 10,000 referrers.`);
        await this.writeManifest(encodeJson({ schemaVersion: 2, mediaType: MEDIA.index, manifests }), {
          tag: fallbackTag(subject),
        });
      }
      throw new OciFault('oci/write-conflict', `Others keep changing the list of referrers of ${subject}.`);
    });
    this.lastFallbackWrite = update.catch(() => undefined); // a failed update is its caller's
    return update;
  }

  private async askForBlob(method: 'GET' | 'HEAD', digest: string): Promise<HttpAnswer> {
    let url = new URL(`blobs/${digest}`, this.base);
    for (let hops = 0; hops <= 3; hops++) {
      const answer = await this.ask(url, { method }, 'pull', true);
      if (!isRedirect(answer)) return answer;
      await answer.discard();
      url = parseServerUrl(answer.headers.get('location') ?? '', url.href, this.options);
    }
    throw new OciFault('oci/redirect-refused', `${this.name} redirects a blob again and again.`);
  }

  /** Follows `Link: <…>; rel="next"` within the registry, 100 pages at most. */
  private async *pages(path: string): AsyncGenerator<HttpAnswer> {
    let next: string | undefined = path;
    for (let page = 0; next !== undefined; page++) {
      if (page === 100) throw new OciFault('oci/too-many', `${this.name} has too many pages.`);
      const url: URL = parseServerUrl(next, this.base, this.options);
      if (url.origin !== new URL(this.base).origin) {
        throw new OciFault('oci/redirect-refused', `${this.name} continues a list on another host.`);
      }
      const answer = await this.ask(url, { method: 'GET' }, 'pull', true);
      next =
        answer.status === 200
          ? /<([^>]*)>\s*;[^,]*rel="?next"?/i.exec(answer.headers.get('link') ?? '')?.[1]
          : undefined;
      yield answer;
    }
  }

  /** One request with the credentials it needs; they never leave the registry's own origin. */
  private async ask(to: string | URL, ask: HttpRequest, access: Access, mayRedirect = false): Promise<HttpAnswer> {
    const url = new URL(to, this.base);
    const isOwn = url.origin === new URL(this.base).origin;
    const send = (authorization: string | undefined) =>
      request(
        url,
        { ...ask, headers: { ...ask.headers, ...(isOwn && authorization && { authorization }) } },
        this.options,
      );

    let answer = await send(this.authorization.known(access));
    const canRepeat = ask.body === undefined || ask.body instanceof Uint8Array;
    if (answer.status === 401 && isOwn && canRepeat) {
      await answer.discard();
      answer = await send(await this.authorization.answer(answer.headers.get('www-authenticate'), access));
    }
    if (isRedirect(answer) && !mayRedirect) {
      await answer.discard();
      throw new OciFault('oci/redirect-refused', `${this.name} redirects where the protocol has no redirects.`);
    }
    return answer;
  }

  private async refusal(answer: HttpAnswer, what: string, known?: string): Promise<OciFault> {
    const { status } = answer;
    const reason = known ?? (await readReason(answer));
    if (status === 404) return new OciFault('oci/not-found', `${what} is not in ${this.name}.`);
    if (status === 401 || status === 403) {
      return new OciFault('oci/unauthorized', `${this.name} does not allow this with the login used${reason}.`);
    }
    if (status === 429 || status >= 502)
      return new OciFault('oci/busy', `${this.name} is too busy (status ${status}).`);
    return new OciFault('oci/refused', `${this.name} refused ${what} (status ${status}${reason}).`);
  }
}

const MAX_ATTEMPTS = 3;

function fallbackTag(digest: string): string {
  return digest.replace(':', '-');
}

function mediaTypeOf(answer: HttpAnswer): string | undefined {
  const type = answer.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  // Some servers deliver manifests as plain JSON; the document then says what it is.
  return type === '' || type === 'application/json' || type === 'application/octet-stream' ? undefined : type;
}

function isRedirect({ status }: HttpAnswer): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/** The registry's own words, cut and without anything but printable ASCII: they end up on a terminal. */
async function readReason(answer: HttpAnswer): Promise<string> {
  try {
    const body = parseJsonObject(await readBody(answer, 65_536), 65_536, 'oci/bad-answer', 'The refusal');
    const [first] = Array.isArray(body['errors']) ? (body['errors'] as unknown[]) : [];
    const code = isObject(first) ? first['code'] : undefined;
    return typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code) ? `, ${code}` : '';
  } catch (error) {
    if (error instanceof OciFault) return '';
    throw error;
  }
}

/** The specification says 404; older registries take the path for a malformed name or an unknown method. */
const NO_SUCH_API: ReadonlySet<number> = new Set([400, 404, 405, 406]);
