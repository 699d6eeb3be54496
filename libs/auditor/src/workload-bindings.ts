import { findPatternFlaw, isSubjectOf, type WorkloadRule } from '@margo-trust/policy';
import { readAssurance, readWorkload, type Certificate } from '@margo-trust/x509';

interface Binding extends WorkloadRule {
  readonly vendor: string;
}

const DAY_MS = 86_400_000;

/**
 * Which builds may have certificates of which vendor, as the log says so far; by EntryID of the record. Methods answer what is
 * wrong with a record, as the rest of a sentence, or undefined.
 *
 * What a binding demands of further claims is not judged: certificates hold some of them only.
 */
export class WorkloadBindings {
  private readonly inForce = new Map<string, Binding>();

  bind(entryId: string, binding: Binding): string | undefined {
    if (findPatternFlaw(binding.subject) !== undefined)
      return `binds builds by "${binding.subject}", which is too wide`;
    this.inForce.set(entryId, binding);
    return undefined;
  }

  unbind(entryId: string, vendor: string): string | undefined {
    if (this.inForce.get(entryId)?.vendor !== vendor) return 'ends a binding that the vendor does not have';
    this.inForce.delete(entryId);
    return undefined;
  }

  /** `binding` is the one that the record of issuance names. */
  judge(certificate: Certificate, vendor: string, binding: string | undefined): string | undefined {
    if (readAssurance(certificate) !== 'ci') return undefined;
    const rule = this.inForce.get(binding ?? '');
    if (rule?.vendor !== vendor) return 'issues a certificate to a build by a binding that is not in force';
    const workload = readWorkload(certificate);
    if (workload?.issuer !== rule.issuer || !isSubjectOf(rule.subject, workload.subject)) {
      return `issues a certificate to the build "${workload?.subject ?? ''}", which the binding does not mean`;
    }
    const lasts = certificate.notAfter.getTime() - certificate.notBefore.getTime();
    return lasts <= DAY_MS ? undefined : 'issues a certificate to a build for more than a day';
  }
}
