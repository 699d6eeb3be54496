import type { LogEntryDetail } from '@margo-trust/wire';
import { parseBase64 } from '@margo-trust/bytes';
import { useEffect, useState } from 'preact/hooks';
import { loadEntry } from '../api.ts';
import { ENTRY_CHECKS, verifyEntry, type EntryFindings } from '../checks/entry.ts';
import { registrySource } from '../checks/source.ts';
import { entryTitle, kindOf, kindWords } from '../decode.ts';
import { useLoaded, useNow, type Loaded } from '../hooks.ts';
import { browserMemory } from '../memory.ts';
import { Age } from '../parts/age.tsx';
import { Facts } from '../parts/facts.tsx';
import { SigstoreEntry } from '../parts/sigstore-entry.tsx';
import { Heading } from '../parts/heading.tsx';
import { Failed, Waiting } from '../parts/notice.tsx';
import { SignerFacts } from '../parts/signer-facts.tsx';
import { StatementView } from '../parts/statement-view.tsx';
import { StepList } from '../parts/step-list.tsx';
import { TrustBasis } from '../parts/trust-basis.tsx';
import { useVendorNames } from '../parts/vendor-names.ts';
import { Verdict } from '../parts/verdict.tsx';
import { entrySentence } from '../sentence.ts';
import { countWords, dateWords } from '../words.ts';

export function EntryPage({ id }: { id: string }) {
  const entry = useLoaded(`entry ${id}`, () => loadEntry(id));
  const now = useNow();
  const names = useVendorNames();
  const title = titleOf(entry, names);
  return (
    <>
      <p class="crumbs">
        <a href="/log">Log</a> <span aria-hidden="true">›</span>{' '}
        {entry.state === 'ready' ? `Entry ${countWords(BigInt(entry.value.index))}` : 'Entry'}
      </p>
      <Heading title={title} />
      {entry.state === 'loading' && <Waiting what="entry" lines={8} />}
      {entry.state === 'failed' && <Missing status={entry.status} message={entry.message} />}
      {entry.state === 'ready' && <Entry entry={entry.value} now={now} />}
    </>
  );
}

function Entry({ entry, now }: { entry: LogEntryDetail; now: Date }) {
  const registeredAt = new Date(entry.registeredAt);
  return (
    <>
      <p class="lead">
        {kindWords(kindOf(entry.contentType))}, entry {countWords(BigInt(entry.index))}, registered{' '}
        <Age at={registeredAt} now={now} /> by the registry’s clock.
      </p>
      {entry.statement !== undefined ? (
        <CheckedEntry entry={entry} statement={entry.statement} now={now} key={entry.entryId} />
      ) : entry.leaf !== undefined ? (
        <SigstoreEntry entry={entry} leaf={entry.leaf} />
      ) : (
        <Erased entry={entry} />
      )}
    </>
  );
}

function CheckedEntry({ entry, statement, now }: { entry: LogEntryDetail; statement: string; now: Date }) {
  const findings = useEntryCheck(entry, statement);
  const sentence = entrySentence(findings, now);
  return (
    <>
      <Verdict outcome={sentence.outcome} title={sentence.title}>
        {sentence.said}
      </Verdict>
      <div class="columns">
        <div>
          {findings.statement ? (
            <>
              <section aria-labelledby="said">
                <h2 id="said">What was signed</h2>
                <StatementView statement={findings.statement} />
              </section>
              <section aria-labelledby="signer">
                <h2 id="signer">Who signed</h2>
                <SignerFacts statement={findings.statement} signer={findings.signer} entry={entry} />
              </section>
            </>
          ) : (
            <Waiting what="statement" lines={8} />
          )}
          <section aria-labelledby="evidence">
            <h2 id="evidence">The evidence as files</h2>
            <ul class="links">
              <li>
                <a href={`/entries/${entry.entryId}/transparent-statement`}>Statement with its receipt</a> (COSE)
              </li>
              <li>
                <a href={`/entries/${entry.entryId}`}>Receipt alone</a> (COSE)
              </li>
              <li>
                <a href={`/entries/${entry.entryId}/proof`}>Proof with checkpoint</a> (tlog-proof)
              </li>
            </ul>
            <Facts
              items={[
                { label: 'EntryID', value: entry.entryId, isOpaque: true },
                { label: 'Registered', value: dateWords(new Date(entry.registeredAt)) },
              ]}
            />
          </section>
        </div>
        <section aria-labelledby="checks">
          <h2 id="checks">Checks made in this browser</h2>
          <StepList steps={findings.steps} />
          <TrustBasis trust={findings.trust} now={now} />
        </section>
      </div>
    </>
  );
}

/** The checks begin as soon as the entry is here, once. */
function useEntryCheck({ index, entryId }: LogEntryDetail, statement: string): EntryFindings {
  const [findings, keep] = useState<EntryFindings>({ steps: ENTRY_CHECKS });
  useEffect(() => {
    let isCurrent = true;
    const show = (found: EntryFindings) => {
      if (isCurrent) keep(found);
    };
    const circumstances = { source: registrySource, memory: browserMemory(), now: new Date() };
    void verifyEntry({ statement: parseBase64(statement), index: BigInt(index), entryId }, circumstances, show);
    return () => {
      isCurrent = false;
    };
  }, [entryId, statement]);
  return findings;
}

function Erased({ entry }: { entry: LogEntryDetail }) {
  const { withheld, entryId } = entry;
  const isRestricted = withheld?.kind === 'restricted';
  return (
    <div class="notice">
      <p class="notice-title">{isRestricted ? 'The statement is not public' : 'The statement is no longer kept'}</p>
      <p>
        The log still holds its digest, and proofs for other entries are unaffected;{' '}
        {isRestricted
          ? 'what it says is for its vendor and for governance only.'
          : 'what was said can no longer be shown or checked here.'}
      </p>
      <Facts
        items={[
          { label: 'EntryID', value: entryId, isOpaque: true },
          ...(withheld
            ? [
                { label: 'Since', value: withheld.at },
                { label: 'Reason', value: withheld.reason },
                { label: 'Record', value: withheld.recordEntryId, isOpaque: true },
              ]
            : []),
        ]}
      />
    </div>
  );
}

function Missing({ status, message }: { status: number; message: string }) {
  if (status !== 404) return <Failed title="The entry could not be loaded" message={message} />;
  return (
    <Failed title="The log has no such entry" message="It may be the number or id of another log, or a typing error.">
      <a href="/">Search the log</a>
    </Failed>
  );
}

function titleOf(entry: Loaded<LogEntryDetail>, names: ReadonlyMap<string, string>): string {
  if (entry.state === 'ready') return entryTitle(entry.value.contentType, entry.value.subject, names);
  return entry.state === 'failed' && entry.status === 404 ? 'No such entry' : 'Log entry';
}
