import type { WorkloadFact, WorkloadFields } from '@margo-trust/x509';
import type { WorkloadToken } from './workload-tokens.ts';

const GITHUB = 'https://token.actions.githubusercontent.com';
/** Longer texts are left out: no fact is worth a certificate that nobody reads. */
const MAX_FACT_LENGTH = 400;

/**
 * What a CI certificate says of its build, out of the claims of GitHub's or GitLab's token as Fulcio reads them (its OID
 * information, "Mapping OIDC token claims to Fulcio OIDs"). Other issuers' builds are named by issuer and subject alone.
 */
export function readWorkloadFields({ issuer, subject, claims }: WorkloadToken): WorkloadFields {
  const read = (name: string): string | undefined => {
    const value = claims[name];
    const text = typeof value === 'number' ? String(value) : value;
    return typeof text === 'string' && /^[ -~]+$/.test(text) ? text : undefined;
  };
  const found = read('repository') !== undefined ? githubFacts(issuer, read) : gitlabFacts(issuer, read);
  const facts = Object.fromEntries(
    Object.entries(found).filter(([, text]) => text !== undefined && text.length <= MAX_FACT_LENGTH),
  ) as WorkloadFields['facts'];
  return { issuer, subject, facts };
}

type Facts = Partial<Record<WorkloadFact, string | undefined>>;
type Read = (claim: string) => string | undefined;

/** An Enterprise Server's issuer is `https://<host>/_services/token`. */
function githubFacts(issuer: string, read: Read): Facts {
  const server = issuer === GITHUB ? 'https://github.com' : new URL(issuer).origin;
  const repository = join(server, read('repository'));
  const [run, attempt] = [read('run_id'), read('run_attempt')];
  return {
    buildSignerUri: join(server, read('job_workflow_ref')),
    buildSignerDigest: read('job_workflow_sha'),
    runnerEnvironment: read('runner_environment'),
    sourceRepositoryUri: repository,
    sourceRepositoryDigest: read('sha'),
    sourceRepositoryRef: read('ref'),
    sourceRepositoryIdentifier: read('repository_id'),
    sourceRepositoryOwnerUri: join(server, read('repository_owner')),
    sourceRepositoryOwnerIdentifier: read('repository_owner_id'),
    buildConfigUri: join(server, read('workflow_ref')),
    buildConfigDigest: read('workflow_sha'),
    buildTrigger: read('event_name'),
    runInvocationUri: run && attempt && repository && `${repository}/actions/runs/${run}/attempts/${attempt}`,
    sourceRepositoryVisibility: read('repository_visibility'),
    deploymentEnvironment: read('environment'),
  };
}

function gitlabFacts(server: string, read: Read): Facts {
  const project = join(server, read('project_path'));
  if (project === undefined) return {};
  const config = read('ci_config_ref_uri');
  const job = read('job_id');
  return {
    buildSignerUri: config && `https://${config}`,
    buildSignerDigest: read('ci_config_sha'),
    runnerEnvironment: read('runner_environment'),
    sourceRepositoryUri: project,
    sourceRepositoryDigest: read('sha'),
    sourceRepositoryRef: read('ref_path'),
    sourceRepositoryIdentifier: read('project_id'),
    sourceRepositoryOwnerUri: join(server, read('namespace_path')),
    sourceRepositoryOwnerIdentifier: read('namespace_id'),
    buildConfigUri: config && `https://${config}`,
    buildConfigDigest: read('ci_config_sha'),
    buildTrigger: read('pipeline_source'),
    runInvocationUri: job && `${project}/-/jobs/${job}`,
    sourceRepositoryVisibility: read('project_visibility'),
    deploymentEnvironment: read('environment'),
  };
}

function join(base: string, path: string | undefined): string | undefined {
  return path === undefined ? undefined : `${base}/${path}`;
}
