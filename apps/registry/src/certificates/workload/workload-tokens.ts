import { Injectable } from '@nestjs/common';
import { encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { MAX_SUBJECT_LENGTH } from '@margo-trust/policy';
import { decodeJwt, errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { CLOCK_TOLERANCE, discoverKeys, TOKEN_ALGORITHMS } from '../../callers/issuer-keys.ts';
import { Clock } from '../../clock.ts';
import { Config } from '../../config.ts';
import { VendorReader } from '../../vendors/vendor.reader.ts';
import { WorkloadFault } from './workload.fault.ts';

/** What an issuer said of a build, verified. */
export interface WorkloadToken {
  readonly issuer: string;
  readonly subject: string;
  /** Everything the token says. */
  readonly claims: JWTPayload;
  /** The vendor that the token is for, when its audience is one; else it is for the registry. */
  readonly vendorId?: string;
  /** What it is remembered by: its `jti`, or without one what is signed. Signatures can be written in more than one way. */
  readonly sha256: Uint8Array;
  /** After this nobody takes it any more. */
  readonly expiresAt: Date;
}

/** No build runs longer. It also makes `iat` required, and keeps it out of the future. */
const MAX_AGE_SECONDS = 86_400;

/**
 * Verifies the tokens of builds (OpenID Connect Core 1.0 §3.1.3.7, RFC 8725). Only issuers that the operator has named are ever
 * asked for keys, and only tokens made out to this registry or to one of its vendors are taken, so that nobody can use here
 * what a build has shown elsewhere.
 */
@Injectable()
export class WorkloadTokens {
  private readonly keys = new Map<string, Promise<JWTVerifyGetKey>>();

  constructor(
    private readonly vendors: VendorReader,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** `token` comes from anybody. Throws `workload/invalid-token`, or `workload/issuer-unreachable` without the issuer's keys. */
  async verify(token: string): Promise<WorkloadToken> {
    const issuer = this.readIssuer(token);
    const claims = await this.check(token, issuer, await this.issuerKeys(issuer));
    const { sub: subject = '', aud, exp = 0, jti } = claims;
    if (!/^[ -~]+$/.test(subject) || subject.length > 2 * MAX_SUBJECT_LENGTH) {
      throw refused('Its subject is none that could be bound.');
    }
    const vendor =
      typeof aud === 'string' && aud !== this.config.publicUrl ? await this.vendors.findByUri(aud) : undefined;
    if (aud !== this.config.publicUrl && vendor === undefined) {
      throw refused(`Its audience must be ${this.config.publicUrl} or the URI of a vendor, alone.`);
    }
    const identity = jti === undefined ? token.slice(0, token.lastIndexOf('.')) : `${issuer} ${jti}`;
    return {
      ...{ issuer, subject, claims, sha256: sha256(encodeUtf8(identity)) },
      expiresAt: new Date((exp + CLOCK_TOLERANCE) * 1_000),
      ...(vendor && { vendorId: vendor.id }),
    };
  }

  private readIssuer(token: string): string {
    let issuer: unknown;
    try {
      issuer = decodeJwt(token).iss;
    } catch (cause) {
      throw refused('It is no JSON Web Token.', cause);
    }
    const known = this.config.workloadIssuers.find((candidate) => candidate === issuer);
    if (known === undefined) throw refused('This registry does not take tokens of its issuer.');
    return known;
  }

  private async check(token: string, issuer: string, keys: JWTVerifyGetKey): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        algorithms: TOKEN_ALGORITHMS,
        requiredClaims: ['sub', 'aud', 'exp', 'iat'],
        maxTokenAge: MAX_AGE_SECONDS,
        clockTolerance: CLOCK_TOLERANCE,
        currentDate: this.clock.now(),
      });
      return payload;
    } catch (cause) {
      if (cause instanceof errors.JWTExpired) throw refused('It has expired: have a new one made.', cause);
      if (cause instanceof errors.JOSEError && !(cause instanceof errors.JWKSTimeout)) {
        throw refused('Its signature or one of its claims is not good.', cause);
      }
      throw unreachable(issuer, cause);
    }
  }

  /** Found at first use; a failure is tried again. */
  private issuerKeys(issuer: string): Promise<JWTVerifyGetKey> {
    const known = this.keys.get(issuer);
    if (known) return known;
    const { oidcIssuer, oidcDiscoveryUrl } = this.config;
    const found = discoverKeys(issuer, issuer === oidcIssuer ? oidcDiscoveryUrl : issuer).catch((cause: unknown) => {
      this.keys.delete(issuer);
      throw unreachable(issuer, cause);
    });
    this.keys.set(issuer, found);
    return found;
  }
}

function refused(why: string, cause?: unknown): WorkloadFault {
  return new WorkloadFault('workload/invalid-token', `The identity token is refused. ${why}`, { cause });
}

function unreachable(issuer: string, cause: unknown): WorkloadFault {
  return new WorkloadFault('workload/issuer-unreachable', `The keys of ${issuer} could not be fetched.`, { cause });
}
