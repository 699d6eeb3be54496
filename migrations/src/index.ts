import { Ground0001 } from './0001-ground.ts';
import { Log0002 } from './0002-log.ts';
import { Members0003 } from './0003-members.ts';
import { Vendors0004 } from './0004-vendors.ts';
import { Certificates0010 } from './0010-certificates.ts';
import { Crls0020 } from './0020-crls.ts';
import { TrustRoot0030 } from './0030-trust-root.ts';
import { LogWriter0041 } from './0041-log-writer.ts';
import { RawLeaves0042 } from './0042-raw-leaves.ts';
import { LogSearch0044 } from './0044-log-search.ts';
import { CosignedCheckpoint0045 } from './0045-cosigned-checkpoint.ts';
import { TileExport0047 } from './0047-tile-export.ts';
import { Admission0048 } from './0048-admission.ts';
import { Precertificates0049 } from './0049-precertificates.ts';
import { IndexMap0054 } from './0054-index-map.ts';
import { LogSubscription0057 } from './0057-log-subscription.ts';
import { LogKeys0061 } from './0061-log-keys.ts';
import { LogProposal0062 } from './0062-log-proposal.ts';
import { EvidenceExport0064 } from './0064-evidence-export.ts';
import { BroadRevocations0066 } from './0066-broad-revocations.ts';
import { CrlShards0067 } from './0067-crl-shards.ts';
import { CertificatesInLogOrder0068 } from './0068-certificates-in-log-order.ts';
import { Canary0069 } from './0069-canary.ts';
import { StampMark0070 } from './0070-stamp-mark.ts';
import { AuthorityStates0072 } from './0072-authority-states.ts';
import { CertificateClass0074 } from './0074-certificate-class.ts';
import { WorkloadBindings0075 } from './0075-workload-bindings.ts';
import { SeveralLogs0076 } from './0076-several-logs.ts';
import { SubscriptionsOfLogs0077 } from './0077-subscriptions-of-logs.ts';
import { Anchors0080 } from './0080-anchors.ts';
import { AnchoredCertificates0081 } from './0081-anchored-certificates.ts';
import { OpenpgpKeys0087 } from './0087-openpgp-keys.ts';
import { MlDsaLogKeys0092 } from './0092-ml-dsa-log-keys.ts';

/**
 * Every migration, in order. File, class and `name` carry the same number.
 * Next numbers by area, so that two hands do not take the same: 10 certificates, 20 revocation, 30 trust root, 40 the log.
 */
export const MIGRATIONS = [
  Ground0001,
  Log0002,
  Members0003,
  Vendors0004,
  Certificates0010,
  Crls0020,
  TrustRoot0030,
  LogWriter0041,
  RawLeaves0042,
  LogSearch0044,
  CosignedCheckpoint0045,
  TileExport0047,
  Admission0048,
  Precertificates0049,
  IndexMap0054,
  LogSubscription0057,
  LogKeys0061,
  LogProposal0062,
  EvidenceExport0064,
  BroadRevocations0066,
  CrlShards0067,
  CertificatesInLogOrder0068,
  Canary0069,
  StampMark0070,
  AuthorityStates0072,
  CertificateClass0074,
  WorkloadBindings0075,
  SeveralLogs0076,
  SubscriptionsOfLogs0077,
  Anchors0080,
  AnchoredCertificates0081,
  OpenpgpKeys0087,
  MlDsaLogKeys0092,
] as const;
