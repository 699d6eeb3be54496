import { encodeUtf8, parseJson } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import type {
  Anchor,
  AnchorList,
  AnchorPage,
  AnchorPreview,
  AnchorRequest,
  Authority,
  AuthorityAnnouncement,
  AuthorityList,
  Certificate,
  CertificatePage,
  CertificateRequest,
  CompleteAnswer,
  ErasureDecision,
  LogChange,
  LogChangeRequest,
  LogDeliveryList,
  LogEntryDetail,
  LogEntryPage,
  LogList,
  LogProposal,
  LogProposalList,
  LogSubscription,
  LogSubscriptionList,
  LogSubscriptionRequest,
  LogSummary,
  Me,
  PolicyDocument,
  OpenpgpKey,
  OpenpgpKeyList,
  OpenpgpKeyRequest,
  PolicyProposal,
  PolicyProposalList,
  PolicyState,
  Revocation,
  RevocationDecision,
  RevocationOrder,
  RevocationPage,
  RevocationPreview,
  RevocationRequest,
  Vendor,
  VendorApplication,
  VendorPage,
  WithholdingState,
  WorkloadBinding,
  WorkloadBindingList,
  WorkloadBindingRequest,
} from '@margo-trust/wire';
import { exchange, parseServerUrl } from './exchange.ts';
import { ClientFault } from './fault.ts';
import { readRefusal } from './refusal.ts';

export interface RegistryApiOptions {
  /** Where the registry answers: HTTPS, or plain HTTP on this machine. */
  readonly url: string;
  /** OAuth 2 access token. Reading needs none. */
  readonly token?: string;
  /** Name of the log whose part of the interface is meant, as in `/logs/<name>/`; default: the first one's. */
  readonly log?: string;
  /** Allows plain HTTP to other machines. */
  readonly plainHttp?: boolean;
  /** For one request. Default 30. */
  readonly timeoutSeconds?: number;
}

/** What to look for in the log; members are combined. */
export interface LogQuery {
  /** Digest, OCI reference, application id, vendor, EntryID, certificate fingerprint or index. */
  readonly q?: string;
  readonly vendor?: string;
  readonly applicationId?: string;
  readonly version?: string;
  readonly digest?: string;
  readonly reference?: string;
  readonly certificate?: string;
  readonly subject?: string;
  /** Content type, or its short name: artifact, release, record. */
  readonly type?: string;
  /** Registered at this time or later: `YYYY-MM-DDTHH:MM:SSZ`. */
  readonly since?: string;
  /** Registered before this time. */
  readonly until?: string;
  /** Smallest index, decimal. */
  readonly from?: string;
  /** Entries below this index: the cursor `next` of the page before. */
  readonly before?: string;
  readonly limit?: number;
  /** Asks for a checkpoint and each entry's path to it. */
  readonly proof?: boolean;
}

/** One of the four keys, and how much of the answer. */
export interface CompleteQuery {
  readonly vendor?: string;
  readonly application?: string;
  readonly digest?: string;
  /** SHA-256, hexadecimal. */
  readonly certificate?: string;
  /** The answer must be complete for so many entries at least, decimal. */
  readonly size?: string;
  /** The cursor `next` of the page before. */
  readonly before?: string;
  readonly limit?: number;
}

export interface PageQuery {
  readonly before?: string;
  readonly limit?: number;
}

/**
 * The registry's JSON interface (`/api/v1`). What it refuses is a {@link RegistryFault} with the registry's code; what
 * does not come through is a ClientFault. Answers are as the registry gave them: nothing in them is evidence.
 */
export class RegistryApi {
  readonly url: string;
  private readonly token: string | undefined;
  private readonly logPath: string;
  private readonly timeoutSeconds: number;

  constructor({ url, token, log, plainHttp = false, timeoutSeconds = 30 }: RegistryApiOptions) {
    this.logPath = log === undefined ? 'log' : `logs/${segment(log)}`;
    this.url = parseServerUrl(url, { plainHttp });
    this.token = token;
    this.timeoutSeconds = timeoutSeconds;
  }

  me(): Promise<Me> {
    return this.call('GET', 'me');
  }

  applyAsVendor(application: VendorApplication): Promise<Vendor> {
    return this.call('POST', 'vendors', application);
  }

  listVendors(query: PageQuery = {}): Promise<VendorPage> {
    return this.call('GET', `vendors${queryOf(query)}`);
  }

  loadVendor(id: string): Promise<Vendor> {
    return this.call('GET', `vendors/${segment(id)}`);
  }

  approveVendor(id: string, note: string): Promise<Vendor> {
    return this.call('POST', `vendors/${segment(id)}/approvals`, { note });
  }

  suspendVendor(id: string, reason: string): Promise<Vendor> {
    return this.call('POST', `vendors/${segment(id)}/suspension`, { reason });
  }

  reinstateVendor(id: string): Promise<Vendor> {
    return this.call('DELETE', `vendors/${segment(id)}/suspension`);
  }

  listAuthorities(): Promise<AuthorityList> {
    return this.call('GET', 'authorities');
  }

  loadAuthority(name: string): Promise<Authority> {
    return this.call('GET', `authorities/${segment(name)}`);
  }

  announceAuthority(announcement: AuthorityAnnouncement): Promise<Authority> {
    return this.call('POST', 'authorities', announcement);
  }

  activateAuthority(name: string, note: string): Promise<Authority> {
    return this.call('POST', `authorities/${segment(name)}/activation`, { note });
  }

  retireAuthority(name: string, note: string): Promise<Authority> {
    return this.call('POST', `authorities/${segment(name)}/retirement`, { note });
  }

  requestCertificate(vendorId: string, request: CertificateRequest): Promise<Certificate> {
    return this.call('POST', `vendors/${segment(vendorId)}/certificates`, request);
  }

  listCertificates(vendorId: string, query: PageQuery = {}): Promise<CertificatePage> {
    return this.call('GET', `vendors/${segment(vendorId)}/certificates${queryOf(query)}`);
  }

  loadCertificate(serial: string): Promise<Certificate> {
    return this.call('GET', `certificates/${segment(serial)}`);
  }

  bindWorkload(vendorId: string, request: WorkloadBindingRequest): Promise<WorkloadBinding> {
    return this.call('POST', `vendors/${segment(vendorId)}/workload-bindings`, request);
  }

  listWorkloadBindings(vendorId: string): Promise<WorkloadBindingList> {
    return this.call('GET', `vendors/${segment(vendorId)}/workload-bindings`);
  }

  async unbindWorkload(vendorId: string, binding: string): Promise<void> {
    await this.call('DELETE', `vendors/${segment(vendorId)}/workload-bindings/${segment(binding)}`);
  }

  registerOpenpgpKey(vendorId: string, request: OpenpgpKeyRequest): Promise<OpenpgpKey> {
    return this.call('POST', `vendors/${segment(vendorId)}/openpgp-keys`, request);
  }

  listOpenpgpKeys(vendorId: string): Promise<OpenpgpKeyList> {
    return this.call('GET', `vendors/${segment(vendorId)}/openpgp-keys`);
  }

  async withdrawOpenpgpKey(vendorId: string, fingerprint: string): Promise<void> {
    await this.call('DELETE', `vendors/${segment(vendorId)}/openpgp-keys/${segment(fingerprint)}`);
  }

  proposeAnchor(vendorId: string, request: AnchorRequest): Promise<Anchor> {
    return this.call('POST', `vendors/${segment(vendorId)}/anchors`, request);
  }

  previewAnchor(vendorId: string, request: AnchorRequest): Promise<AnchorPreview> {
    return this.call('POST', `vendors/${segment(vendorId)}/anchors/preview`, request);
  }

  listAnchorsOf(vendorId: string): Promise<AnchorList> {
    return this.call('GET', `vendors/${segment(vendorId)}/anchors`);
  }

  listAnchors(query: { limit?: number; after?: string; purpose?: string } = {}): Promise<AnchorPage> {
    return this.call('GET', `anchors${queryOf(query)}`);
  }

  listAnchorProposals(): Promise<AnchorList> {
    return this.call('GET', 'anchors/proposals');
  }

  loadAnchor(id: string): Promise<Anchor> {
    return this.call('GET', `anchors/${segment(id)}`);
  }

  approveAnchor(id: string, note: string): Promise<Anchor> {
    return this.call('POST', `anchors/${segment(id)}/approvals`, { note });
  }

  withdrawAnchor(id: string, reason: string): Promise<Anchor> {
    return this.call('POST', `anchors/${segment(id)}/withdrawal`, { reason });
  }

  revokeCertificate(serial: string, request: RevocationRequest): Promise<Revocation> {
    return this.call('POST', `certificates/${segment(serial)}/revocation`, request);
  }

  /** Revokes, or votes to trust again: see RevocationOrder. */
  revoke(order: RevocationOrder): Promise<RevocationDecision> {
    return this.call('POST', 'revocations', order);
  }

  /** What the order would hit; a page of statements. */
  previewRevocation(order: RevocationOrder, page: PageQuery = {}): Promise<RevocationPreview> {
    return this.call('POST', `revocations/preview${queryOf(page)}`, order);
  }

  listRevocations(page: PageQuery = {}): Promise<RevocationPage> {
    return this.call('GET', `revocations${queryOf(page)}`);
  }

  log(): Promise<LogSummary> {
    return this.call('GET', 'log');
  }

  searchLog(query: LogQuery): Promise<LogEntryPage> {
    return this.call('GET', `log/entries${queryOf(query)}`);
  }

  /** Not verified: see `loadCompleteAnswer`. */
  loadComplete(query: CompleteQuery): Promise<CompleteAnswer> {
    return this.call('GET', `log/complete${queryOf(query)}`);
  }

  /** By index or EntryID. */
  loadLogEntry(id: string): Promise<LogEntryDetail> {
    return this.call('GET', `log/entries/${segment(id)}`);
  }

  /** The answer holds the secret of its signatures, once. */
  subscribeToLog(request: LogSubscriptionRequest): Promise<LogSubscription> {
    return this.call('POST', 'log/subscriptions', request);
  }

  listLogSubscriptions(): Promise<LogSubscriptionList> {
    return this.call('GET', 'log/subscriptions');
  }

  listLogDeliveries(id: string): Promise<LogDeliveryList> {
    return this.call('GET', `log/subscriptions/${segment(id)}/deliveries`);
  }

  /** `from` is the index of an entry, decimal. */
  redeliverLog(id: string, from: string): Promise<LogSubscription> {
    return this.call('POST', `log/subscriptions/${segment(id)}/redelivery`, { from });
  }

  async unsubscribeFromLog(id: string): Promise<void> {
    await this.call('DELETE', `log/subscriptions/${segment(id)}`);
  }

  /** The policy in force and those before it. */
  registrationPolicy(): Promise<PolicyState> {
    return this.call('GET', 'log/policy');
  }

  proposePolicy(policy: PolicyDocument, reason: string): Promise<PolicyProposal> {
    return this.call('POST', 'log/policy', { policy, reason });
  }

  listPolicyProposals(): Promise<PolicyProposalList> {
    return this.call('GET', 'log/policy/proposals');
  }

  approvePolicy(proposal: string, note: string): Promise<PolicyState> {
    return this.call('POST', `log/policy/proposals/${segment(proposal)}/approvals`, { note });
  }

  /** Every log of the registry with its keys, oldest first. */
  listLogs(): Promise<LogList> {
    return this.call('GET', 'logs');
  }

  /** What a change would do; nothing is done. */
  previewLogChange(change: LogChangeRequest): Promise<LogChange> {
    return this.call('POST', 'logs/preview', change);
  }

  proposeLogChange(change: LogChangeRequest): Promise<LogProposal> {
    return this.call('POST', 'logs/proposals', change);
  }

  listLogProposals(): Promise<LogProposalList> {
    return this.call('GET', 'logs/proposals');
  }

  /** Does what was proposed. */
  approveLogChange(proposal: string, note: string): Promise<LogList> {
    return this.call('POST', `logs/proposals/${segment(proposal)}/approvals`, { note });
  }

  /** `id` is an index or EntryID, here and below. */
  restrictStatement(id: string, reason: string): Promise<WithholdingState> {
    return this.call('POST', `log/entries/${segment(id)}/restriction`, { reason });
  }

  releaseStatement(id: string): Promise<WithholdingState> {
    return this.call('DELETE', `log/entries/${segment(id)}/restriction`);
  }

  eraseStatement(id: string, reason: string): Promise<ErasureDecision> {
    return this.call('POST', `log/entries/${segment(id)}/erasure`, { reason });
  }

  private async call<T extends object>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<T> {
    const reply = await exchange({
      method,
      url: new URL(`${this.url}/api/v1/${path.replace(/^log(?=[/?]|$)/, this.logPath)}`),
      headers: {
        accept: 'application/json',
        ...(this.token !== undefined && { authorization: `Bearer ${this.token}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: encodeUtf8(JSON.stringify(body)) }),
      timeoutSeconds: this.timeoutSeconds,
    });
    if (reply.status < 200 || reply.status > 299) throw readRefusal(reply);
    return (reply.status === 204 ? {} : readObject(reply.body)) as T;
  }
}

/** The shape is the registry's promise (its OpenAPI document); here only that it is an object at all. */
function readObject(body: Uint8Array): object {
  try {
    const value = parseJson(body, { maxBytes: 4 << 20 });
    if (typeof value === 'object' && value !== null) return value;
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
  }
  throw new ClientFault('client/bad-answer', 'The answer is not what a registry answers. Is the address right?');
}

function segment(text: string): string {
  return encodeURIComponent(text);
}

function queryOf(
  query: Readonly<Record<string, string | number | boolean | undefined>> | LogQuery | PageQuery,
): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  );
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
}
