export { StatementFault, type StatementFaultCode } from './fault.ts';
export { CONTENT, SIGNING_SCHEME } from './labels.ts';
export {
  parseStatement,
  prepareStatementCheck,
  stripUnprotected,
  verifyStatementSignature,
  type Statement,
} from './statement.ts';
export {
  attachToStatement,
  draftArtifactStatement,
  draftStatement,
  encodeJsonPayload,
  finishStatement,
  type Attachments,
  type Draft,
} from './draft.ts';
export {
  REFERENCE_ANNOTATION,
  encodeTargetArtifact,
  isDigest,
  parseArtifactSignature,
  parseTargetArtifact,
  type ArtifactSignature,
  type TargetArtifact,
} from './artifact.ts';
export {
  encodeRelease,
  parseRelease,
  releaseSubject,
  type PlatformManifest,
  type Release,
  type ReleaseItem,
} from './release.ts';
export {
  bareReference,
  factsOfRelease,
  factsOfTarget,
  isClaimedApplication,
  isClaimedReference,
  readFacts,
  type Claims,
  type StatementFacts,
} from './claims.ts';
