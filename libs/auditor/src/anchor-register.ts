import { encodeHex, encodeUtf8, parseJson } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { findAnchorFlaws, parseAnchorRecord, type RegisteredAnchor } from '@margo-trust/policy';
import type { Claims } from '@margo-trust/statement';

/** The vendor whose anchor it is to be; `subject` is JSON of its C, ST and O. */
interface Holder {
  readonly id: string;
  readonly uri: string;
  readonly subject: string;
  readonly claims: Claims;
}

/**
 * Which anchors vendors have registered, as the log says so far; by EntryID of the record. Methods answer what is wrong with a
 * record, as the rest of a sentence, or undefined.
 *
 * Which CAs are public is not judged: that changes, and is no matter of the log.
 */
export class AnchorRegister {
  private readonly inForce = new Map<string, RegisteredAnchor>();
  /** By SHA-256 of the SubjectPublicKeyInfo, hex: whose it is, withdrawn or not. */
  private readonly holders = new Map<string, string>();
  private signing: readonly RegisteredAnchor[] = [];

  register(
    entryId: string,
    payload: Uint8Array,
    { vendor, at }: { vendor: Holder; at: Date },
    isKeyTaken: (key: string) => boolean,
  ): string | undefined {
    let anchor: RegisteredAnchor;
    try {
      ({ anchor } = parseAnchorRecord(payload));
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      return `is no registration of an anchor: ${cause.message}`;
    }
    if (anchor.vendorUri !== vendor.uri) return `registers an anchor of ${vendor.id} for ${anchor.vendorUri}`;
    const subject = parseJson(encodeUtf8(vendor.subject), { maxBytes: 4096, maxDepth: 4 });
    const holder = { claims: vendor.claims, subject: subject as Record<'C' | 'ST' | 'O', string> };
    const [flaw] = findAnchorFlaws(anchor.certificate, anchor, holder, at);
    if (flaw !== undefined) return `registers an anchor that does not do: ${flaw}`;
    const key = encodeHex(sha256(anchor.certificate.spki));
    const known = this.holders.get(key);
    if (isKeyTaken(key) || (known !== undefined && known !== vendor.id)) {
      return 'registers an anchor whose key is revoked or somebody else’s';
    }
    const { fingerprint } = anchor.certificate;
    if ([...this.inForce.values()].some(({ certificate }) => certificate.fingerprint === fingerprint)) {
      return 'registers an anchor that is registered already';
    }
    this.holders.set(key, vendor.id);
    this.inForce.set(entryId, anchor);
    this.changed();
    return undefined;
  }

  withdraw(entryId: string, vendor: string): string | undefined {
    if (this.inForce.get(entryId)?.vendorId !== vendor) return 'withdraws an anchor that the vendor does not have';
    this.inForce.delete(entryId);
    this.changed();
    return undefined;
  }

  /** Those in force that signatures on artifacts count by, in the order of the log. */
  forSigning(): readonly RegisteredAnchor[] {
    return this.signing;
  }

  /** The vendor that has registered the key, ever. */
  holderOf(key: string): string | undefined {
    return this.holders.get(key);
  }

  private changed(): void {
    this.signing = [...this.inForce.values()].filter(({ purpose }) => purpose === 'artifact-signing');
  }
}
