/** Which builds may have certificates of a vendor: those that this OpenID issuer vouches for under these names. */
export interface WorkloadRule {
  /** `iss`, to the letter. */
  readonly issuer: string;
  /** `sub`, in which a `*` at the end of a segment stands for the rest of it: see {@link isSubjectOf}. */
  readonly subject: string;
}

export const MAX_SUBJECT_LENGTH = 500;

/**
 * Why a pattern must not be bound, as a sentence, or undefined.
 *
 * It is about what others than the vendor could run under such a subject: a pattern names one repository whole, and no branch,
 * tag or environment that anybody who may push gets by choosing its name. The shapes are those of GitHub Actions
 * (`repo:<owner>/<repository>:ref:refs/heads/<branch>`, `…:ref:refs/tags/<tag>`, `…:environment:<name>`, `…:pull_request`;
 * "OpenID Connect reference", example subject claims) and of GitLab (`project_path:<group>/<project>:ref_type:<branch or
 * tag>:ref:<name>`; "OpenID Connect (OIDC) authentication using ID tokens"). Other issuers' subjects are taken to the letter, or
 * with a `*` behind four whole segments.
 */
export function findPatternFlaw(pattern: string): string | undefined {
  if (pattern.length === 0 || pattern.length > MAX_SUBJECT_LENGTH || !/^[!-~](?:[ -~]*[!-~])?$/.test(pattern)) {
    return `A subject has 1 to ${MAX_SUBJECT_LENGTH} printable ASCII characters, and no space at its ends.`;
  }
  if (/\*(?![:/]|$)/.test(pattern)) return 'A * stands at the end of a segment only; segments end with : or /.';
  if (/(?:^|:)pull_request$/.test(pattern)) {
    return 'A pull request runs what nobody has agreed to yet: bind a branch, a tag or an environment.';
  }
  if (!pattern.includes('*')) return undefined;
  if (pattern.startsWith('repo:')) return GITHUB.test(pattern) ? undefined : tooWide(GITHUB_FORM);
  if (pattern.startsWith('project_path:')) return GITLAB.test(pattern) ? undefined : tooWide(GITLAB_FORM);
  const whole = pattern.slice(0, pattern.indexOf('*')).split(/[:/]/).length - 1;
  return whole >= WHOLE_SEGMENTS ? undefined : tooWide(`with ${WHOLE_SEGMENTS} whole segments before the first *`);
}

/**
 * Whether a token's subject is one that the pattern means. A `*` stands for one character or more, and for none that ends a
 * segment; all else is compared to the letter, upper and lower case included.
 */
export function isSubjectOf(pattern: string, subject: string): boolean {
  const source = pattern
    .split('*')
    .map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`))
    .join('[^:/\\p{C}]+');
  return subject.length <= 2 * MAX_SUBJECT_LENGTH && new RegExp(`^${source}$`, 'u').test(subject);
}

/** What stands before the first `*`: every subject that the pattern means begins with it. */
export function literalPrefix(pattern: string): string {
  const end = pattern.indexOf('*');
  return end === -1 ? pattern : pattern.slice(0, end);
}

const GITHUB = /^repo:[^:/*]+\/[^:/*]+:(?:ref:refs\/(?:heads|tags)\/|environment:)[^*]/;
const GITHUB_FORM = 'as repo:<owner>/<repository>:ref:refs/tags/v* or …:environment:release-*';
const GITLAB = /^project_path:[^:/*]+(?:\/[^:/*]+)+:ref_type:(?:branch|tag):ref:[^*]/;
const GITLAB_FORM = 'as project_path:<group>/<project>:ref_type:tag:ref:v*';
const WHOLE_SEGMENTS = 4;

function tooWide(form: string): string {
  return `This would let in too many: spell it out, or end it ${form}.`;
}
