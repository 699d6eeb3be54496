import type { Certificate } from '@margo-trust/wire';
import { dayWords } from '../words.ts';
import { Opaque } from './copy.tsx';
import { statusOf } from './search-results.tsx';

export function CertificateTable({ certificates }: { certificates: readonly Certificate[] }) {
  if (certificates.length === 0) return <p>No certificate was issued to this vendor yet.</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Table of certificates">
      <table>
        <thead>
          <tr>
            <th scope="col">Serial number</th>
            <th scope="col">Status</th>
            <th scope="col">Valid from</th>
            <th scope="col">Valid until</th>
            <th scope="col">Records</th>
          </tr>
        </thead>
        <tbody>
          {certificates.map((certificate) => (
            <tr key={certificate.serial}>
              <td>
                <Opaque value={certificate.serial} label={`serial number ${certificate.serial}`} />
              </td>
              <td>{statusOf(certificate)}</td>
              <td>{dayWords(new Date(certificate.notBefore))}</td>
              <td>{dayWords(new Date(certificate.notAfter))}</td>
              <td>
                <a href={`/entry/${certificate.entryId}`}>Issuance</a>
                {certificate.revocationEntryId !== undefined && (
                  <>
                    {' '}
                    <a href={`/entry/${certificate.revocationEntryId}`}>Revocation</a>
                  </>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
