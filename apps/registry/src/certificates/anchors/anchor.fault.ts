import { Fault } from '@margo-trust/fault';

export type AnchorDecisionFaultCode =
  | 'anchor/already-approved'
  | 'anchor/not-found'
  | 'anchor/own-organisation'
  | 'anchor/too-many'
  | 'anchor/unfit'
  | 'anchor/wrong-state';

/** A decision about an anchor that cannot be made so. */
export class AnchorDecisionFault extends Fault<AnchorDecisionFaultCode> {}

export function noSuchAnchor(): AnchorDecisionFault {
  return new AnchorDecisionFault('anchor/not-found', 'There is no anchor with this id.');
}

/** All that speaks against an anchor, in one fault. */
export function unfit(findings: readonly string[]): AnchorDecisionFault {
  return new AnchorDecisionFault('anchor/unfit', `The anchor does not do. ${findings.join(' ')}`);
}
