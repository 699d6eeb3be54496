import { tooComplex, type Budget } from './budget.ts';
import { X509Fault } from './fault.ts';
import type { Certificate } from './model.ts';
import { OID } from './oid.ts';

/** What the caller asks of certificate policies (RFC 5280 §6.1.1 c, e–g). Without anything, only the CAs' own rules hold. */
export interface PolicyRequest {
  /** Object identifiers, one of which must hold for the path. Absent: any. */
  readonly initial?: readonly string[];
  /** Some policy must hold for the path, whether or not a CA asks for one. */
  readonly requireExplicit?: boolean;
  readonly inhibitMapping?: boolean;
  readonly inhibitAny?: boolean;
}

/** A policy that holds at one depth. */
interface PolicyNode {
  /** What the next certificate may call it: the policy itself, or what it was mapped to. */
  readonly expected: ReadonlySet<string>;
  /** What the anchor's own policies, before any mapping, call it: where this node's ancestors leave "any policy". */
  readonly origins: ReadonlySet<string>;
}

/**
 * Certificate policies along a path, by the graph of RFC 9618 §5: the tree of RFC 5280 §6.1.2 grows exponentially.
 *
 * Only the newest row of the graph is kept. What the wrap-up reads from the rows above is which policies of the anchor's domain
 * have descendants in the last one; each node carries those along, and pruning upwards is not needed.
 */
export class PolicyGraph {
  /** By policy; undefined is the NULL graph. */
  private row: Map<string, PolicyNode> | undefined = new Map([[OID.anyPolicy, node(OID.anyPolicy, [])]]);
  private readonly initial: readonly string[] | undefined;
  private readonly budget: Budget;
  // RFC 5280 §6.1.2 d–f: certificates that may still follow.
  private untilExplicit: number;
  private untilNoMapping: number;
  private untilNoAny: number;

  /** `length`: certificates of the path, the anchor's not counted. */
  constructor(length: number, { initial, requireExplicit, inhibitMapping, inhibitAny }: PolicyRequest, budget: Budget) {
    this.budget = budget;
    this.initial = initial?.includes(OID.anyPolicy) ? undefined : initial;
    this.untilExplicit = requireExplicit ? 0 : length + 1;
    this.untilNoMapping = inhibitMapping ? 0 : length + 1;
    this.untilNoAny = inhibitAny ? 0 : length + 1;
  }

  /** RFC 5280 §6.1.3 d–f as replaced by RFC 9618 §5.3. */
  enter({ policies }: Certificate, isSelfIssuedCa: boolean): void {
    if (policies.length > MAX_POLICIES) throw tooComplex();
    this.row = this.row && this.nextRow(this.row, policies, this.untilNoAny > 0 || isSelfIssuedCa);
    if (this.untilExplicit <= 0 && !this.row) throw noPolicy();
  }

  /** RFC 5280 §6.1.4 a, b, h–j as replaced by RFC 9618 §5.4: what a CA demands of the certificates below it. */
  descend(ca: Certificate, isSelfIssued: boolean): void {
    if (ca.policyMappings) this.map(ca.policyMappings);
    if (!isSelfIssued) {
      this.untilExplicit = Math.max(0, this.untilExplicit - 1);
      this.untilNoMapping = Math.max(0, this.untilNoMapping - 1);
      this.untilNoAny = Math.max(0, this.untilNoAny - 1);
    }
    this.constrain(ca);
  }

  /** Also for an anchor's own constraints, which hold as RFC 5937 §3.2 allows. Its policies say nothing (RFC 5280 §6.1.1 d). */
  constrain({ policyConstraints, inhibitAnyPolicy }: Certificate): void {
    this.untilExplicit = Math.min(this.untilExplicit, policyConstraints?.requireExplicitPolicy ?? Infinity);
    this.untilNoMapping = Math.min(this.untilNoMapping, policyConstraints?.inhibitPolicyMapping ?? Infinity);
    this.untilNoAny = Math.min(this.untilNoAny, inhibitAnyPolicy ?? Infinity);
  }

  /**
   * The policies, in the words of the anchor's domain, that hold for the path and that the caller asked for (RFC 9618 §5.5).
   * `anyPolicy` stands for whichever. Empty when none does and none had to.
   */
  conclude({ policyConstraints }: Certificate): string[] {
    const isExplicit = this.untilExplicit <= 1 || policyConstraints?.requireExplicitPolicy === 0;
    const held = new Set([...(this.row?.values() ?? [])].flatMap(({ origins }) => [...origins]));
    const isAny = this.row?.has(OID.anyPolicy) ?? false;
    const wanted = this.initial
      ? this.initial.filter((policy) => isAny || held.has(policy))
      : [...held, ...(isAny ? [OID.anyPolicy] : [])];
    if (isExplicit && wanted.length === 0) throw noPolicy();
    return wanted;
  }

  private nextRow(row: Map<string, PolicyNode>, policies: readonly string[], isAnyAllowed: boolean) {
    const parents = new Map<string, PolicyNode[]>();
    for (const parent of row.values()) {
      for (const policy of parent.expected) {
        const known = parents.get(policy);
        if (known) known.push(parent);
        else parents.set(policy, [parent]);
      }
    }
    const next = new Map<string, PolicyNode>();
    for (const policy of policies) {
      if (policy === OID.anyPolicy) continue;
      const from = parents.get(policy);
      if (from) next.set(policy, node(policy, this.originsOf(from)));
      else if (row.has(OID.anyPolicy)) next.set(policy, node(policy, [policy]));
    }
    if (isAnyAllowed && policies.includes(OID.anyPolicy)) {
      for (const [policy, from] of parents) {
        if (!next.has(policy)) next.set(policy, node(policy, this.originsOf(from)));
      }
    }
    return next.size > 0 ? next : undefined;
  }

  private originsOf(nodes: readonly PolicyNode[]): Iterable<string> {
    // Every node may have every origin: their product is the work.
    this.budget.spend(
      'comparisons',
      nodes.reduce((sum, { origins }) => sum + origins.size, 0),
    );
    return nodes.flatMap(({ origins }) => [...origins]);
  }

  private map(mappings: NonNullable<Certificate['policyMappings']>): void {
    if (mappings.length > MAX_POLICIES) throw tooComplex();
    const bySource = new Map<string, Set<string>>();
    for (const { issuerDomain, subjectDomain } of mappings) {
      if (issuerDomain === OID.anyPolicy || subjectDomain === OID.anyPolicy) {
        throw new X509Fault('x509/policy', 'A CA maps from or to "any policy".');
      }
      bySource.set(issuerDomain, (bySource.get(issuerDomain) ?? new Set()).add(subjectDomain));
    }
    const row = this.row;
    if (!row) return;
    for (const [policy, expected] of bySource) {
      if (this.untilNoMapping <= 0) row.delete(policy);
      else if (row.has(policy) || row.has(OID.anyPolicy)) {
        row.set(policy, { expected, origins: row.get(policy)?.origins ?? new Set([policy]) });
      }
    }
    if (row.size === 0) this.row = undefined;
  }
}

/** In one extension. */
const MAX_POLICIES = 256;

function node(policy: string, origins: Iterable<string>): PolicyNode {
  return { expected: new Set([policy]), origins: new Set(origins) };
}

function noPolicy(): X509Fault {
  return new X509Fault('x509/policy', 'No certificate policy holds for the whole path.');
}
