import { X509Fault } from './fault.ts';

/** What one search for a path may cost. Every limit ends it with `x509/too-complex`. */
export interface PathLimits {
  /** Certificates in a path, leaf and anchor included. Default: 8. */
  readonly maxDepth?: number;
  /** Different intermediates. Default: 64. */
  readonly maxIntermediates?: number;
  /** On certificates and CRLs together. Default: 128. */
  readonly maxSignatureChecks?: number;
  /** Whole paths judged, those of keys that sign CRLs included. Default: 64. */
  readonly maxPaths?: number;
}

/** What is left of the limits of one search. The peer chooses names, keys and constraints; their products are the work. */
export class Budget {
  private readonly left: Record<'signatures' | 'paths' | 'steps' | 'comparisons', number>;

  constructor(limits: PathLimits = {}) {
    this.left = {
      signatures: limits.maxSignatureChecks ?? 128,
      paths: limits.maxPaths ?? 64,
      steps: 1000,
      comparisons: 100_000,
    };
  }

  spend(what: keyof Budget['left'], amount = 1): void {
    this.left[what] -= amount;
    if (this.left[what] < 0) throw tooComplex();
  }
}

export function tooComplex(): X509Fault {
  return new X509Fault('x509/too-complex', 'The search for a path was given up.');
}
