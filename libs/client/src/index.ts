export { ClientFault, type ClientFaultCode } from './fault.ts';
export { readFileWithin, writeFileWhole } from './files.ts';
export { openTrustRootSource, type SourceLimits, type TrustRootSource } from './trust-root-source.ts';
export { download, type DownloadLimits } from './http.ts';
export { parseServerUrl } from './exchange.ts';
export {
  loadTrustRoot,
  readTufDirectory,
  updateTrustRoot,
  watchMissing,
  type TrustRootLoad,
  type TrustRootUpdate,
  type UpdatedTrustRoot,
  type WatchedSnapshot,
} from './trust-root.ts';

export { RegistryApi, type CompleteQuery, type LogQuery, type PageQuery, type RegistryApiOptions } from './api.ts';
export { RegistryFault } from './refusal.ts';
export {
  discoverSignIn,
  refreshTokens,
  startDeviceLogin,
  type DeviceLogin,
  type SignIn,
  type SignInOptions,
} from './device-login.ts';
export { developmentLogin, type DevelopmentLogin, type Tokens } from './development-login.ts';

export { makePrivateKey, openPrivateKey, type PrivateKeyType, type StatementSigner } from './private-key.ts';
export { encodeCertificateRequest } from './certificate-request.ts';
export { openIdentity, vendorIdOf, type SigningIdentity } from './identity.ts';
export {
  loadCompleteAnswer,
  verifyMapRecord,
  type CompletedAnswer,
  type CompletedEntry,
  type CompleteOptions,
} from './complete-answer.ts';
export { registerStatement, type Registered } from './register.ts';
export { requestTimestamp } from './timestamp.ts';
export { publishStatement, type PublishedStatement, type Registry, type SigningContext } from './publish-statement.ts';
export { signArtifact, type ArtifactToSign, type SignedArtifact } from './sign-artifact.ts';
export { artifactFinder, type ArtifactFinder, type FoundArtifact } from './artifact-finder.ts';
export {
  findApplicationId,
  loadApplication,
  type Application,
  type ApplicationPart,
  type ApplicationRequest,
} from './application.ts';
export { signApplication, type ApplicationToSign, type SignedApplication } from './sign-application.ts';

export { findReleases, type FoundRelease } from './release-artifact.ts';
export { lendProof, proofFinder, type ProofFinder } from './witness-proof.ts';
export { judgeInPlace, type JudgedArtifact } from './judge-place.ts';
export { collectEvidence, EvidenceFault, type CollectedEvidence, type EvidenceRequest } from './collect-evidence.ts';
export { exchangeIdentityToken, type TokenExchange } from './exchange-token.ts';
