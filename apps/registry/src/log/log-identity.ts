import { Injectable } from '@nestjs/common';
import { coseKeyThumbprint } from '@margo-trust/cose';
import { parsePublicKey } from '@margo-trust/crypto';
import { Config } from '../config.ts';
import { KeyRing } from '../keys/key-ring.ts';
import type { Signer } from '../keys/signer.ts';
import type { OnlineSlot } from '../keys/slots.ts';

/** A signing key and the name that verifiers look it up by. */
export interface NamedSigner {
  readonly signer: Signer;
  /** RFC 9679 thumbprint of the COSE key. */
  readonly kid: Uint8Array;
}

/** Who the log is and what it signs with. One purpose, one key: none signs for another. */
@Injectable()
export class LogIdentity {
  /** The log's row. One log today; the tables are ready for more. */
  readonly logId: number = 1;
  /** Bare host name: Sigstore clients take the host of `baseUrl` as origin and refuse one with a path. */
  readonly origin: string;
  /** `iss` of receipts and of the registry's own statements. */
  readonly issuer: string;

  constructor(
    config: Config,
    private readonly keys: KeyRing,
  ) {
    this.origin = `log.${config.domain}`;
    this.issuer = `https://${config.domain}`;
  }

  /** Ed25519: checkpoints (C2SP signed note). */
  get checkpoint(): Signer {
    return this.keys.load('log-checkpoint');
  }

  /** ES256: COSE receipts. */
  get receipt(): NamedSigner {
    return this.named('log-receipt');
  }

  /** ES256: promises that a certificate is logged (RFC 6962), in DER. */
  get sct(): Signer {
    return this.keys.load('log-sct');
  }

  /** ES256: the registry's own statements. */
  get record(): NamedSigner {
    return this.named('record');
  }

  private readonly kids = new Map<OnlineSlot, NamedSigner>();

  private named(slot: OnlineSlot): NamedSigner {
    const known = this.kids.get(slot);
    if (known) return known;
    const signer = this.keys.load(slot);
    const named = { signer, kid: coseKeyThumbprint(parsePublicKey(signer.spki)) };
    this.kids.set(slot, named);
    return named;
  }
}

/** The 32 key bytes at the end of an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4). */
export function ed25519Raw(spki: Uint8Array): Uint8Array {
  if (spki.length !== 44) throw new Error('The checkpoint key is not an Ed25519 key.');
  return spki.slice(12);
}
