export { developmentLogin, type DevelopmentLogin, type Tokens } from './development-login.ts';
export { ClientFault, type ClientFaultCode } from './fault.ts';
export { download, type DownloadLimits } from './http.ts';
export {
  loadTrustRoot,
  readTufDirectory,
  updateTrustRoot,
  type TrustRootLoad,
  type TrustRootUpdate,
  type UpdatedTrustRoot,
} from './trust-root.ts';
