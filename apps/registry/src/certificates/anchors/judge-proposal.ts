import { Injectable } from '@nestjs/common';
import { areEqualBytes, encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { findAnchorFlaws, type RegisteredAnchor } from '@margo-trust/policy';
import { areEqualNames } from '@margo-trust/x509';
import { Clock } from '../../clock.ts';
import type { Tx } from '../../db/db.ts';
import { VendorReader } from '../../vendors/vendor.reader.ts';
import { CertificateReader } from '../certificate.reader.ts';
import { CertificateStore } from '../certificate.store.ts';
import { findKeyMistake } from '../key-rules.ts';
import { AnchorReader } from './anchor.reader.ts';
import { findPublicCa } from './public-cas.ts';

/** Says all that speaks against an anchor: what libs/policy finds in it, and what only the registry knows. */
@Injectable()
export class JudgeProposal {
  constructor(
    private readonly vendors: VendorReader,
    private readonly certificates: CertificateReader,
    private readonly issued: CertificateStore,
    private readonly anchors: AnchorReader,
    private readonly clock: Clock,
  ) {}

  /** Every reason, one sentence each; empty when there is none. What it finds unused stays so while `tx` holds the log's head. */
  async run(tx: Tx, anchor: RegisteredAnchor): Promise<string[]> {
    const { certificate, vendorId } = anchor;
    const vendor = await this.vendors.load(vendorId);
    const isActive = (await this.vendors.activeAmong(tx, [vendorId])).has(vendorId);
    const mistake = findKeyMistake(certificate.publicKey);
    const publicCa = findPublicCa(certificate, vendor.legalName);
    return [
      ...(isActive ? [] : ['The vendor is not active.']),
      ...findAnchorFlaws(certificate, anchor, vendor, this.clock.now()),
      ...(mistake === undefined ? [] : [mistake]),
      ...(publicCa === undefined
        ? []
        : [`${publicCa} vouches for anybody who asks: an anchor must be the vendor's own and serve nobody else.`]),
      ...(await this.authorityFlaws(tx, anchor)),
      ...(await this.historyFlaws(tx, anchor)),
    ];
  }

  private async authorityFlaws(tx: Tx, { certificate }: RegisteredAnchor): Promise<string[]> {
    const authorities = (await this.certificates.authorities(tx)).map((authority) => authority.certificate);
    const isOurs = authorities.some(
      ({ spki, subject }) => areEqualBytes(spki, certificate.spki) || areEqualNames(subject, certificate.subject),
    );
    const isFromUs = authorities.some(({ subject }) => areEqualNames(subject, certificate.issuer));
    return [
      ...(isOurs ? ['It has the name or the key of a CA of this registry.'] : []),
      ...(isFromUs ? ['This registry has issued it, and vouches for it already.'] : []),
    ];
  }

  private async historyFlaws(tx: Tx, { certificate, vendorId }: RegisteredAnchor): Promise<string[]> {
    const key = sha256(certificate.spki);
    const hex = encodeHex(key);
    const isUsed = (await this.issued.usedKeys(tx, [key])).get(hex)?.serial !== undefined;
    const isBegun = (await this.issued.findPrecertificates(tx, [key])).has(hex);
    const holders = await this.anchors.holdersOf(tx, key);
    const others = (await this.anchors.readInForce(tx)).filter(
      (one) => one.certificate.fingerprint === certificate.fingerprint,
    );
    return [
      ...(isUsed || isBegun ? ['Its key has a certificate of this registry: a key serves one purpose.'] : []),
      ...((await this.certificates.revokedKeys(tx, [key])).has(hex) ? ['Its key is revoked.'] : []),
      ...(holders.some((holder) => holder !== vendorId) ? ['Another vendor has registered its key.'] : []),
      ...(others.length > 0 ? ['It is registered already: withdraw that registration first.'] : []),
    ];
  }
}
