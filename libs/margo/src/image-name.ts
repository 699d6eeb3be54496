import { MargoFault } from './fault.ts';
import { quote } from './yaml.ts';

/** An image reference in full, as container engines understand the short forms. */
export interface ImageName {
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

/**
 * Reads an image reference as container engines do: without a host it means Docker Hub, without a namespace there,
 * `library`. Grammar of the distribution reference, digests restricted to SHA-256. Neither tag nor digest is invented.
 */
export function parseImageName(text: string): ImageName {
  const parts = text.length <= MAX_LENGTH ? NAME.exec(text)?.groups : undefined;
  const path = parts?.['path'];
  if (!parts || !path) throw new MargoFault('margo/bad-image-name', `${quote(text)} is not an image reference.`);

  const slash = path.indexOf('/');
  const host = slash > 0 ? path.slice(0, slash) : '';
  const isHost = /[.:]/.test(host) || host === 'localhost';
  const registry = !isHost || host === 'index.docker.io' ? 'docker.io' : host;
  const rest = isHost ? path.slice(slash + 1) : path;
  const repository = registry === 'docker.io' && !rest.includes('/') ? `library/${rest}` : rest;
  if (!REPOSITORY.test(repository) || (isHost && !HOST.test(host))) {
    throw new MargoFault('margo/bad-image-name', `${quote(text)} is not an image reference.`);
  }
  return {
    registry,
    repository,
    ...(parts['tag'] && { tag: parts['tag'] }),
    ...(parts['digest'] && { digest: parts['digest'] }),
  };
}

/** `registry/repository[:tag][@digest]`; {@link parseImageName} reads it back unchanged. */
export function encodeImageName({ registry, repository, tag, digest }: ImageName): string {
  return `${registry}/${repository}${tag ? `:${tag}` : ''}${digest ? `@${digest}` : ''}`;
}

const MAX_LENGTH = 512;
const NAME =
  /^(?<path>[A-Za-z0-9.\-_:[\]/]+?)(?::(?<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
