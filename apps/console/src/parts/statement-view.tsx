import type { ReleaseItem, Statement } from '@margo-trust/statement';
import { decodeStatement, mediaTypeWords, recordWords, type Said } from '../decode.ts';
import { countWords, dateWords, sizeWords } from '../words.ts';
import { Opaque } from './copy.tsx';
import { Facts } from './facts.tsx';

/** A statement's payload in words. */
export function StatementView({ statement }: { statement: Statement }) {
  const said = decodeStatement(statement);
  switch (said.kind) {
    case 'release':
      return <ReleaseView said={said} />;
    case 'artifact':
      return <ArtifactView said={said} subject={statement.subject} />;
    case 'record':
      return (
        <Facts
          items={[
            { label: 'Record', value: recordWords(said.record) },
            ...(said.at ? [{ label: 'At', value: dateWords(said.at) }] : []),
            { label: 'About', value: subjectLink(statement.subject) },
            ...said.members,
          ]}
        />
      );
    case 'policy':
    case 'anchors':
      return <Facts items={said.members} />;
    case 'unknown':
      return <p>{said.why}</p>;
  }
}

function ReleaseView({ said: { release } }: { said: Extract<Said, { kind: 'release' }> }) {
  return (
    <>
      <Facts
        items={[
          {
            label: 'Application',
            value: <a href={`/?q=${encodeURIComponent(release.applicationId)}`}>{release.applicationId}</a>,
          },
          { label: 'Version', value: release.version },
        ]}
      />
      <Items title="Package" items={[release.package]} />
      <Items title="Components" items={release.components} />
      <Items title="Images" items={release.images} />
    </>
  );
}

function ArtifactView({ said, subject }: { said: Extract<Said, { kind: 'artifact' }>; subject: string }) {
  const { target, signingTime, expiry } = said;
  return (
    <Facts
      items={[
        { label: 'Artifact', value: mediaTypeWords(subject.split(':')[1] ?? '') },
        ...Object.entries(target.annotations ?? {}).map(([label, value]) => ({ label, value })),
        { label: 'Signed by the signer’s clock', value: dateWords(signingTime) },
        ...(expiry ? [{ label: 'Not to be used after', value: dateWords(expiry) }] : []),
        { label: 'Media type', value: target.mediaType },
        { label: 'Size of the manifest', value: sizeWords(target.size) },
        { label: 'Digest', value: target.digest, isOpaque: true },
      ]}
    />
  );
}

function Items({ title, items }: { title: string; items: readonly ReleaseItem[] }) {
  if (items.length === 0) return null;
  return (
    <>
      <h3>
        {title}
        {items.length > 1 && ` (${countWords(items.length)})`}
      </h3>
      <ul class="artifacts">
        {items.map((item, n) => (
          <Item item={item} key={`${item.digest} ${n}`} />
        ))}
      </ul>
    </>
  );
}

function Item({ item }: { item: ReleaseItem }) {
  const kind = mediaTypeWords(item.artifactType ?? item.mediaType);
  const [title, ...more] = [
    item.name,
    item.reference,
    kind,
    item.manifests?.map(({ platform }) => platform).join(', '),
  ].filter((words) => words !== undefined && words !== '');
  return (
    <li>
      <p class="artifact-name">{title}</p>
      {more.length > 0 && <p class="artifact-meta">{more.join(' · ')}</p>}
      <Opaque value={item.digest} label={`digest of ${title}`} />
    </li>
  );
}

function subjectLink(subject: string) {
  const vendor = /^vendor:([0-9a-z]{26})$/.exec(subject)?.[1];
  return vendor === undefined ? subject : <a href={`/vendor/${vendor}`}>{subject}</a>;
}
