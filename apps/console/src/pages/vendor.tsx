import type { Vendor } from '@margo-trust/wire';
import { loadEntries, loadOpenpgpKeys, loadVendor, loadVendorCertificates } from '../api.ts';
import { useLoaded, useNow } from '../hooks.ts';
import { EntryFeed } from '../parts/entry-feed.tsx';
import { Facts } from '../parts/facts.tsx';
import { Heading } from '../parts/heading.tsx';
import { Failed, Waiting } from '../parts/notice.tsx';
import { OpenpgpKeys } from '../parts/openpgp-keys.tsx';
import { CertificateTable } from '../parts/certificate-table.tsx';
import { useVendorCheck } from '../parts/use-vendor-check.ts';
import { Verdict } from '../parts/verdict.tsx';
import { StepList } from '../parts/step-list.tsx';
import { TrustBasis } from '../parts/trust-basis.tsx';
import { vendorSentence } from '../sentence.ts';
import { labelWords, dateWords, listWords } from '../words.ts';

export function VendorPage({ id }: { id: string }) {
  const vendor = useLoaded(`vendor ${id}`, () => loadVendor(id));
  const now = useNow();
  return (
    <>
      <p class="crumbs">Vendor</p>
      <Heading title={vendor.state === 'ready' ? vendor.value.legalName : 'Vendor'} />
      {vendor.state === 'loading' && <Waiting what="vendor" lines={8} />}
      {vendor.state === 'failed' &&
        (vendor.status === 404 ? (
          <Failed title="There is no such vendor" message="This registry has never known a vendor with this id.">
            <a href="/">Search the log</a>
          </Failed>
        ) : (
          <Failed title="The vendor could not be loaded" message={vendor.message} />
        ))}
      {vendor.state === 'ready' && <Details vendor={vendor.value} now={now} />}
    </>
  );
}

function Details({ vendor, now }: { vendor: Vendor; now: Date }) {
  const findings = useVendorCheck(vendor.id);
  const sentence = vendorSentence(findings, vendor, now);
  const certificates = useLoaded(`certificates ${vendor.id}`, () => loadVendorCertificates(vendor.id));
  const openpgpKeys = useLoaded(`openpgp ${vendor.id}`, () => loadOpenpgpKeys(vendor.id));
  return (
    <>
      <Verdict outcome={sentence.outcome} title={sentence.title}>
        {sentence.said}
      </Verdict>
      <div class="columns">
        <section aria-labelledby="about">
          <h2 id="about">About</h2>
          <Facts
            items={[
              { label: 'Legal name', value: vendor.legalName },
              { label: 'Seat', value: `${vendor.subject.ST}, ${vendor.subject.C}` },
              {
                label: 'Supplies',
                value: listWords(vendor.personas.map((persona) => labelWords(persona).replace(/ supplier$/, ''))),
              },
              ...(vendor.website === undefined
                ? []
                : [
                    {
                      label: 'Website',
                      value: (
                        <a href={vendor.website} rel="noreferrer">
                          {vendor.website}
                        </a>
                      ),
                    },
                  ]),
              { label: 'Applied', value: dateWords(new Date(vendor.submittedAt)) },
              ...(vendor.admittedAt === undefined
                ? []
                : [{ label: 'Admitted', value: dateWords(new Date(vendor.admittedAt)) }]),
              ...(vendor.suspendedAt === undefined
                ? []
                : [
                    {
                      label: 'Suspended',
                      value: `${dateWords(new Date(vendor.suspendedAt))}: ${vendor.suspensionReason ?? 'no reason given'}`,
                    },
                  ]),
              ...(vendor.recordEntryId === undefined
                ? []
                : [{ label: 'Latest record', value: <a href={`/entry/${vendor.recordEntryId}`}>Log entry</a> }]),
              { label: 'Signs as', value: vendor.uri },
              { label: 'Vendor id', value: vendor.id, isOpaque: true },
            ]}
          />
        </section>
        <section aria-labelledby="claims">
          <h2 id="claims">What it may sign</h2>
          <Claims title="Applications whose id begins with" items={vendor.claims.applicationIdPrefixes} />
          <Claims title="Artifacts from" items={vendor.claims.ociNamespaces} />
          <h2>Checks made in this browser</h2>
          <StepList steps={findings.steps} />
          <TrustBasis trust={findings.trust} now={now} />
        </section>
      </div>
      <section aria-labelledby="certificates">
        <h2 id="certificates">Certificates</h2>
        {certificates.state === 'loading' && <Waiting what="certificates" />}
        {certificates.state === 'failed' && (
          <Failed title="The certificates could not be loaded" message={certificates.message} />
        )}
        {certificates.state === 'ready' && <CertificateTable certificates={certificates.value.items} />}
      </section>
      {openpgpKeys.state === 'failed' && (
        <Failed title="The OpenPGP keys could not be loaded" message={openpgpKeys.message} />
      )}
      {openpgpKeys.state === 'ready' && openpgpKeys.value.items.length > 0 && (
        <section aria-labelledby="openpgp">
          <h2 id="openpgp">OpenPGP keys, for reading only</h2>
          <OpenpgpKeys keys={openpgpKeys.value.items} />
        </section>
      )}
      <section aria-labelledby="entries">
        <h2 id="entries">Entries</h2>
        <EntryFeed
          feedKey={`vendor ${vendor.id}`}
          load={(before) => loadEntries({ vendor: vendor.id, limit: 20, ...before })}
          now={now}
        />
      </section>
    </>
  );
}

function Claims({ title, items }: { title: string; items: readonly string[] }) {
  return (
    <>
      <h3>{title}</h3>
      {items.length === 0 ? (
        <p>None granted.</p>
      ) : (
        <ul class="claims">
          {items.map((item) => (
            <li key={item}>
              <code>{item}</code>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
