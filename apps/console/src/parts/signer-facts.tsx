import type { Statement } from '@margo-trust/statement';
import { parseCertificate, type Certificate } from '@margo-trust/x509';
import type { LogEntryDetail } from '@margo-trust/wire';
import type { Signer } from '../checks/judgement.ts';
import { organizationOf } from '../decode.ts';
import { dateWords, dayWords } from '../words.ts';
import { encodeHex } from '@margo-trust/bytes';
import { Facts, type FactItem } from './facts.tsx';

/** The signer by certificate or key. Until the check of the signature holds, the text says that it is only a claim. */
export function SignerFacts({
  statement,
  signer,
  entry,
}: {
  statement: Statement;
  signer: Signer | undefined;
  entry: LogEntryDetail;
}) {
  const certificate = certificateOf(statement);
  return (
    <>
      {!signer && (
        <p class="hint">This is what the statement says of itself; whether it is true is for the checks to show.</p>
      )}
      <Facts items={certificate ? ofCertificate(certificate, statement, entry) : ofKey(statement)} />
    </>
  );
}

function ofCertificate(certificate: Certificate, statement: Statement, entry: LogEntryDetail): FactItem[] {
  const name = organizationOf(certificate);
  return [
    {
      label: 'Organization',
      value: entry.vendorId === undefined ? name : <a href={`/vendor/${entry.vendorId}`}>{name}</a>,
    },
    { label: 'Certificate', value: certificate.subjectText },
    { label: 'Issued by', value: certificate.issuerText },
    { label: 'Valid', value: `${dayWords(certificate.notBefore)} to ${dayWords(certificate.notAfter)}` },
    ...claimedTime(statement),
    { label: 'Issuer of the statement', value: statement.issuer },
    { label: 'Serial number', value: certificate.serialHex, isOpaque: true },
    { label: 'Fingerprint', value: certificate.fingerprint, isOpaque: true },
  ];
}

function ofKey(statement: Statement): FactItem[] {
  return [
    { label: 'Issuer of the statement', value: statement.issuer },
    ...claimedTime(statement),
    ...(statement.kid ? [{ label: 'Key', value: encodeHex(statement.kid), isOpaque: true }] : []),
  ];
}

function claimedTime({ issuedAt }: Statement): FactItem[] {
  return issuedAt ? [{ label: 'Time by the signer’s clock', value: dateWords(issuedAt) }] : [];
}

function certificateOf({ chain: [leaf] }: Statement): Certificate | undefined {
  try {
    return leaf && parseCertificate(leaf);
  } catch {
    return undefined; // the check of the signer says what is wrong with it
  }
}
