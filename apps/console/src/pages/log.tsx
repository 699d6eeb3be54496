import { loadLog } from '../api.ts';
import { overall, type Outcome } from '../checks/steps.ts';
import { loadGrowth } from '../growth.ts';
import { useLoaded, useNow } from '../hooks.ts';
import { browserMemory } from '../memory.ts';
import { Age } from '../parts/age.tsx';
import { CopyButton } from '../parts/copy.tsx';
import { Facts } from '../parts/facts.tsx';
import { GrowthChart } from '../parts/growth-chart.tsx';
import { Heading } from '../parts/heading.tsx';
import { Failed, Waiting } from '../parts/notice.tsx';
import { StepList } from '../parts/step-list.tsx';
import { TrustBasis } from '../parts/trust-basis.tsx';
import { useLogCheck } from '../parts/use-log-check.ts';
import { Verdict } from '../parts/verdict.tsx';
import { plural } from '../words.ts';

export function LogPage() {
  const now = useNow();
  const summary = useLoaded('log', loadLog);
  const { findings, again } = useLogCheck();
  const outcome = overall(findings.steps);
  const signed = findings.checkpoint;
  return (
    <>
      <Heading title="The log" />
      <p class="lead">
        Entries are only ever added. Each checkpoint is the log’s signature over everything in it so far, so a change to
        any entry, however old, would show.
      </p>
      <Verdict outcome={outcome} title={TITLES[outcome]}>
        {signed && outcome === 'holds'
          ? `The log’s signature over ${plural(signed.checkpoint.size, 'entry', 'entries')} holds, and nothing this browser has seen before was changed.`
          : (findings.steps.find((step) => step.outcome === outcome)?.said ?? '')}
        {outcome === 'waiting' && 'This browser is checking the newest checkpoint.'}
      </Verdict>
      <div class="columns">
        <section aria-labelledby="log-checks">
          <h2 id="log-checks">Checks made in this browser</h2>
          <StepList steps={findings.steps} />
          <p class="actions">
            <button type="button" onClick={again}>
              Check again
            </button>
            {outcome === 'fails' && (
              <button
                type="button"
                onClick={() => {
                  browserMemory().forget();
                  again();
                }}
              >
                Forget what this browser saw
              </button>
            )}
          </p>
          <TrustBasis trust={findings.trust} now={now} />
        </section>
        <section aria-labelledby="log-facts">
          <h2 id="log-facts">Size and age</h2>
          {summary.state === 'failed' && (
            <Failed title="The log’s summary could not be loaded" message={summary.message} />
          )}
          {summary.state === 'loading' && <Waiting what="summary" />}
          {summary.state === 'ready' && (
            <>
              <Facts
                items={[
                  { label: 'Entries', value: plural(BigInt(summary.value.size), 'entry', 'entries') },
                  { label: 'Newest entry sealed', value: <Age at={new Date(summary.value.committedAt)} now={now} /> },
                  { label: 'Name of the log', value: summary.value.origin },
                  { label: 'Key of the checkpoint', value: summary.value.checkpointKey, isOpaque: true },
                ]}
              />
              <Growth size={Number(summary.value.size)} />
            </>
          )}
        </section>
      </div>
      {signed && (
        <section aria-labelledby="checkpoint">
          <h2 id="checkpoint">The checkpoint itself</h2>
          <div class="raw">
            <pre tabIndex={0} role="region" aria-label="Checkpoint, as served">
              {signed.note}
            </pre>
            <CopyButton value={signed.note} label="the checkpoint" />
          </div>
          <p class="hint">
            Served at <a href="/log/checkpoint">/log/checkpoint</a>; the tiles it implies are beside it, so anyone can
            replay the whole log.
          </p>
        </section>
      )}
    </>
  );
}

function Growth({ size }: { size: number }) {
  const growth = useLoaded(`growth ${size}`, () => loadGrowth(size));
  if (growth.state === 'loading') return <Waiting what="chart" lines={7} />;
  if (growth.state === 'failed') return <Failed title="The chart could not be loaded" message={growth.message} />;
  return <GrowthChart points={growth.value} />;
}

const TITLES: Record<Outcome, string> = {
  waiting: 'Checking',
  holds: 'Checked in this browser just now',
  fails: 'This log does not hold together',
  open: 'Not fully checked',
};
