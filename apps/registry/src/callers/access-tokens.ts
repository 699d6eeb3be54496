import { Injectable } from '@nestjs/common';
import { errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import { CallerFault } from './caller.fault.ts';
import { CLOCK_TOLERANCE, discoverKeys, TOKEN_ALGORITHMS } from './issuer-keys.ts';

/**
 * Checks access tokens against the issuer's published keys (OpenID Connect Discovery 1.0, RFC 7519).
 *
 * The audience must be PUBLIC_URL, which also keeps ID tokens out: theirs is the client.
 * Trusted for: who the caller is. Whoever holds the issuer's key can be anybody: as a vendor's owner he can have a key of his
 * own certified in its name, and so sign for it. That certificate is in the log before he has it.
 */
@Injectable()
export class AccessTokens {
  private keys: Promise<JWTVerifyGetKey> | undefined;

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  async verify(token: string): Promise<{ issuer: string; subject: string }> {
    const keys = await this.issuerKeys();
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: this.config.oidcIssuer,
        audience: this.config.publicUrl,
        algorithms: TOKEN_ALGORITHMS,
        requiredClaims: ['sub', 'exp'],
        clockTolerance: CLOCK_TOLERANCE,
        currentDate: this.clock.now(),
      });
      return { issuer: this.config.oidcIssuer, subject: payload.sub ?? '' };
    } catch (cause) {
      if (cause instanceof errors.JWTExpired) {
        throw new CallerFault('caller/invalid-token', 'The access token has expired: sign in again.', { cause });
      }
      if (cause instanceof errors.JOSEError && !(cause instanceof errors.JWKSTimeout)) {
        throw new CallerFault('caller/invalid-token', 'The access token is not one for this registry.', { cause });
      }
      throw new CallerFault('caller/issuer-unreachable', 'The keys of the sign-in could not be fetched.', { cause });
    }
  }

  /** Discovered at first use, so that the service starts while its issuer is down; a failure is tried again. */
  private issuerKeys(): Promise<JWTVerifyGetKey> {
    const { oidcIssuer, oidcDiscoveryUrl } = this.config;
    this.keys ??= discoverKeys(oidcIssuer, oidcDiscoveryUrl).catch((cause: unknown) => {
      this.keys = undefined;
      throw new CallerFault('caller/issuer-unreachable', 'The sign-in does not answer.', { cause });
    });
    return this.keys;
  }
}
