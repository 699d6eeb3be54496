import { constants } from 'node:fs';
import { mkdir, open, rename, rm, stat, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { MEDIA } from '@margo-trust/margo';
import { collect, DEFAULT_MAX_BLOB_BYTES, sizeMismatch, tooLarge, verifyContent, verifyStream } from './content.ts';
import { isDigest, parseDescriptor, verifyDigestForm, type Descriptor } from './descriptor.ts';
import { OciFault } from './fault.ts';
import { encodeJson, isObject, parseJsonObject, type JsonObject } from './json.ts';
import { MANIFEST_TYPES, MAX_ENTRIES, MAX_MANIFEST_BYTES, parseManifest, type Manifest } from './manifest.ts';
import type { OciTarget, WriteOptions } from './source.ts';

/**
 * An image layout directory (OCI image-spec v1.1, image-layout.md).
 *
 * Everything read is checked against its digest, and no link in the directory is followed: it may come from a stranger's
 * USB stick. Writes are atomic: a crash leaves the old index.json or the new one, at worst beside a blob nobody names.
 * Two processes that write the same layout at the same time can lose one another's entries.
 */
export class OciLayout implements OciTarget {
  readonly name: string;
  private readonly directory: string;
  /** What a manifest's bytes say never changes, so each is read once. */
  private readonly read = new Map<string, Manifest | undefined>();
  private lastWrite: Promise<unknown> = Promise.resolve();

  private constructor(directory: string) {
    this.directory = directory;
    this.name = `layout:${directory}`;
  }

  /** An existing layout; `oci/not-found` without a directory there, `oci/bad-layout` if it is something else. */
  static async open(directory: string): Promise<OciLayout> {
    const layout = new OciLayout(directory);
    const isDirectory = await stat(directory).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isDirectory) throw new OciFault('oci/not-found', `There is no directory ${directory}.`);
    const marker = await layout.readJson('oci-layout', 4096);
    if (marker['imageLayoutVersion'] !== '1.0.0') throw badLayout('its version is not 1.0.0');
    await layout.entries();
    return layout;
  }

  /** The layout in this directory, begun if it is not there yet. */
  static async create(directory: string): Promise<OciLayout> {
    const layout = new OciLayout(directory);
    await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
    if (!(await exists(join(directory, 'index.json')))) await layout.writeIndex([]);
    if (!(await exists(join(directory, 'oci-layout')))) {
      await layout.replaceFile('oci-layout', encodeJson({ imageLayoutVersion: '1.0.0' }));
    }
    return OciLayout.open(directory);
  }

  async resolve(reference: string): Promise<Descriptor> {
    if (isDigest(reference)) return (await this.loadManifest({ digest: reference })).descriptor;
    const named = (await this.entries()).filter((entry) => entry.annotations?.[REF_NAME] === reference);
    const [entry] = named;
    if (!entry) throw new OciFault('oci/not-found', `Nothing in ${this.name} is called ${reference}.`);
    if (named.some(({ digest }) => digest !== entry.digest))
      throw badLayout(`it has two artifacts called ${reference}`);
    return (await this.loadManifest(bare(entry))).descriptor;
  }

  async loadManifest({ digest, size, mediaType }: Pick<Descriptor, 'digest'> & Partial<Descriptor>): Promise<Manifest> {
    const bytes = await this.loadFile(digest, size, MAX_MANIFEST_BYTES);
    return parseManifest(bytes, mediaType);
  }

  async loadBlob(descriptor: Descriptor, maxBytes = DEFAULT_MAX_BLOB_BYTES): Promise<Uint8Array> {
    return this.loadFile(descriptor.digest, descriptor.size, maxBytes);
  }

  async *openBlob(descriptor: Descriptor): AsyncGenerator<Uint8Array> {
    const file = await this.openFile(descriptor.digest);
    try {
      yield* verifyStream(file.createReadStream({ autoClose: false }), descriptor);
    } finally {
      await file.close();
    }
  }

  async hasBlob({ digest, size }: Descriptor): Promise<boolean> {
    const file = await stat(this.blobPath(digest)).catch(() => undefined);
    return file !== undefined && file.isFile() && file.size === size;
  }

  async referrers(digest: string, artifactType?: string): Promise<Descriptor[]> {
    verifyDigestForm(digest);
    const found: Descriptor[] = [];
    for (const manifest of await this.listManifests()) {
      if (manifest.subject?.digest !== digest) continue;
      if (artifactType !== undefined && manifest.artifactType !== artifactType) continue;
      found.push({
        ...manifest.descriptor,
        artifactType: manifest.artifactType,
        ...(Object.keys(manifest.annotations).length > 0 && { annotations: manifest.annotations }),
      });
    }
    return found;
  }

  async tags(): Promise<string[]> {
    return (await this.entries()).flatMap((entry) => entry.annotations?.[REF_NAME] ?? []);
  }

  async writeBlob(descriptor: Descriptor, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    if (await this.hasBlob(descriptor)) return;
    const pieces = content instanceof Uint8Array ? only(content) : content;
    await this.replaceFile(blobName(descriptor.digest), verifyStream(pieces, descriptor));
  }

  async writeManifest(bytes: Uint8Array, { tag, nested = false }: WriteOptions = {}): Promise<Descriptor> {
    const { descriptor, subject } = parseManifest(bytes);
    await this.writeBlob(descriptor, bytes);
    if (nested && !subject && tag === undefined) return descriptor;

    const annotations = { ...(tag !== undefined && { [REF_NAME]: tag }), ...(!subject && { kind: COSIGN_KIND }) };
    await this.updateIndex((entries) => {
      const isSame = (entry: JsonObject) => entry['digest'] === descriptor.digest;
      const isNamed = (entry: JsonObject) => tag !== undefined && refNameOf(entry) === tag;
      if (entries.some((entry) => isSame(entry) && (tag === undefined || isNamed(entry)))) return entries;
      const isReplaced = (entry: JsonObject) => isNamed(entry) || (isSame(entry) && refNameOf(entry) === undefined);
      const entry = { ...bare(descriptor), ...(Object.keys(annotations).length > 0 && { annotations }) };
      return [...entries.filter((each) => !isReplaced(each)), entry];
    });
    return descriptor;
  }

  /** Leaves the referrer's layers behind: others may share them. */
  async removeReferrer(subject: string, referrer: Descriptor): Promise<void> {
    const manifest = await this.loadManifest({ digest: referrer.digest });
    if (manifest.subject?.digest !== subject) {
      throw new OciFault('oci/not-found', `${referrer.digest} is no referrer of ${subject}.`);
    }
    await this.updateIndex((entries) => entries.filter((entry) => entry['digest'] !== referrer.digest));
    this.read.delete(referrer.digest);
    await unlink(this.blobPath(referrer.digest));
  }

  /** Every manifest that index.json leads to. What is named but missing is skipped: a layout may be sparse. */
  private async listManifests(): Promise<Manifest[]> {
    const found = new Map<string, Manifest>();
    const seen = new Set<string>();
    let bytes = 0;
    const queue = await this.entries();
    for (let next = queue.shift(); next; next = queue.shift()) {
      if (seen.has(next.digest) || !MANIFEST_TYPES.includes(next.mediaType)) continue;
      seen.add(next.digest);
      bytes += next.size;
      if (seen.size > MAX_ENTRIES || bytes > MAX_SCAN_BYTES) {
        throw new OciFault('oci/too-many', `${this.name} holds too many manifests to look through.`);
      }
      const manifest = await this.findManifest(next);
      if (!manifest) continue;
      found.set(next.digest, manifest);
      if (manifest.kind === 'index') queue.push(...manifest.manifests);
    }
    return [...found.values()];
  }

  private async findManifest(descriptor: Descriptor): Promise<Manifest | undefined> {
    if (!this.read.has(descriptor.digest)) {
      const manifest = await this.loadManifest(bare(descriptor)).catch((error: unknown) => {
        if (error instanceof OciFault && ['oci/not-found', 'oci/bad-manifest'].includes(error.code)) return undefined;
        throw error;
      });
      if (!manifest) return undefined;
      this.read.set(descriptor.digest, manifest);
    }
    return this.read.get(descriptor.digest);
  }

  private async entries(): Promise<Descriptor[]> {
    return (await this.readIndex()).map(parseDescriptor);
  }

  private async readIndex(): Promise<JsonObject[]> {
    const index = await this.readJson('index.json', MAX_MANIFEST_BYTES);
    const manifests = index['manifests'];
    if (!Array.isArray(manifests) || !manifests.every(isObject)) throw badLayout('its index.json lists no manifests');
    if (manifests.length > MAX_ENTRIES)
      throw new OciFault('oci/too-many', `${this.name} has more than 10,000 entries.`);
    return manifests;
  }

  /** One change after the other; entries are kept as they were written, whoever wrote them. */
  private updateIndex(change: (entries: readonly JsonObject[]) => readonly JsonObject[]): Promise<void> {
    const update = this.lastWrite.then(async () => {
      const before = await this.readIndex();
      const after = change(before);
      if (after !== before) await this.writeIndex(after);
    });
    this.lastWrite = update.catch(() => undefined); // a failed write is its caller's; the next one starts afresh
    return update;
  }

  private async writeIndex(manifests: readonly JsonObject[]): Promise<void> {
    const bytes = encodeJson({ schemaVersion: 2, mediaType: MEDIA.index, manifests });
    if (manifests.length > MAX_ENTRIES || bytes.length > MAX_MANIFEST_BYTES) {
      throw new OciFault('oci/too-many', `${this.name} cannot hold more entries.`);
    }
    await this.replaceFile('index.json', bytes);
  }

  private async readJson(name: string, maxBytes: number): Promise<JsonObject> {
    const file = await openPlainFile(join(this.directory, name));
    if (!file) throw badLayout(`it has no ${name}`);
    try {
      const bytes = await collect(file.createReadStream({ autoClose: false }), maxBytes);
      return parseJsonObject(bytes, maxBytes, 'oci/bad-layout', `The layout's ${name}`);
    } finally {
      await file.close();
    }
  }

  private async loadFile(digest: string, size: number | undefined, maxBytes: number): Promise<Uint8Array> {
    if (size !== undefined && size > maxBytes) throw tooLarge(maxBytes);
    const file = await this.openFile(digest);
    try {
      const actual = (await file.stat()).size;
      if (actual > maxBytes) throw tooLarge(maxBytes);
      if (size !== undefined && actual !== size) throw sizeMismatch(digest);
      const bytes = await collect(file.createReadStream({ autoClose: false }), maxBytes);
      verifyContent(bytes, { digest });
      return bytes;
    } finally {
      await file.close();
    }
  }

  private async openFile(digest: string): Promise<FileHandle> {
    const file = await openPlainFile(this.blobPath(digest));
    if (!file) throw new OciFault('oci/not-found', `${digest} is not in ${this.name}.`);
    return file;
  }

  private blobPath(digest: string): string {
    return join(this.directory, blobName(digest));
  }

  /** The file appears whole or not at all, and has reached the disk before it does. */
  private async replaceFile(name: string, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    const path = join(this.directory, name);
    const unfinished = join(this.directory, `.${process.pid}-${writes++}.tmp`);
    try {
      const file = await open(unfinished, 'w');
      try {
        for await (const piece of content instanceof Uint8Array ? only(content) : content) await file.writeFile(piece);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(unfinished, path);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }
}

function blobName(digest: string): string {
  verifyDigestForm(digest);
  return join('blobs', 'sha256', digest.slice('sha256:'.length));
}

function refNameOf(entry: JsonObject): unknown {
  return isObject(entry['annotations']) ? entry['annotations'][REF_NAME] : undefined;
}

/** Only the three members that identify content. */
function bare({ mediaType, digest, size }: Descriptor): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest, size };
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/** Neither links nor pipes: it is a plain file or it is not there. */
async function openPlainFile(path: string): Promise<FileHandle | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch(() => undefined);
  if (file && (await file.stat()).isFile()) return file;
  await file?.close();
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function badLayout(reason: string): OciFault {
  return new OciFault('oci/bad-layout', `The directory is not a usable image layout: ${reason}.`);
}

const REF_NAME = 'org.opencontainers.image.ref.name';
/** Without it `cosign verify --local-image` finds nothing; it wants the same value on an image index too. */
const COSIGN_KIND = 'dev.cosignproject.cosign/image';
const MAX_SCAN_BYTES = 256 * 1024 * 1024;
/** Of temporary files; shared by all layouts of this process. */
let writes = 0;
