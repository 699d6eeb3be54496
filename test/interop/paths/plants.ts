/** What is planted in certification paths: harmless oddities and defects, each with the answer that is right. */
import { generateKeyPairSync } from 'node:crypto';
import {
  generalName,
  MALFORMATIONS,
  plainExtension,
  plainName,
  spoilTbs,
  TEST_DAY,
  type Malformation,
} from '@margo-trust/testkit';
import {
  derNull,
  derOid,
  derPrimitive,
  derSequence,
  derSetOf,
  OID,
  type Extension,
  type X509FaultCode,
} from '@margo-trust/x509';
import {
  byOid,
  keyId,
  put,
  serialOf,
  soundCrl,
  type Dice,
  type Draft,
  type DraftCertificate,
  type DraftCrl,
  type Keys,
  type Question,
} from './draft.ts';

export interface Plant {
  readonly chapter: string;
  readonly name: string;
  /** The code `verifyPath` must end with; undefined where the path stays valid. */
  readonly answer?: X509FaultCode;
  /** Why OpenSSL answers otherwise, where it does. */
  readonly differs?: string;
  readonly question?: Partial<Question>;
  /** Takes certificates out or puts some in: whatever else is planted comes before. */
  readonly reshapes?: true;
  readonly plant: (draft: Draft, dice: Dice, keys: Keys) => void;
}

type Change = Plant['plant'];
type Options = Pick<Plant, 'differs' | 'question' | 'reshapes'>;

const WITH_CRLS = { question: { crls: true } };
const FOR_PURPOSE = { question: { eku: true } };
const [POLICY, OTHER_POLICY, FOREIGN_POLICY] = [1, 2, 3].map((n) => `1.3.6.1.4.1.32473.9.${n}`) as [
  string,
  string,
  string,
];
const CRL_URL = 'http://crl.example/1.crl';
const OTHER_URL = 'http://crl.example/2.crl';
const LONG_PAST = new Date('2020-06-01T00:00:00Z');

const READS_BER = 'reads BER where certificates must be DER';
const DOES_NOT_LOOK = 'does not look, as long as the value can be read';

/** What OpenSSL 3.0 reads all the same. */
const READ_BY_OPENSSL: ReadonlyMap<string, string> = new Map([
  ['indefinite length', READS_BER],
  ['indefinite length deep inside', READS_BER],
  ['length that is not minimal', READS_BER],
  ['length of a primitive that is not minimal', READS_BER],
  ['BOOLEAN that is neither 00 nor FF', READS_BER],
  ['default that is written out', READS_BER],
  ['version 1 written out', READS_BER],
  ['extension value in two parts', READS_BER],
  ['string in two parts', READS_BER],
  ['SET OF that is not sorted', READS_BER],
  ['bytes after the value of an extension', DOES_NOT_LOOK],
  ['serial number that is negative', DOES_NOT_LOOK],
  ['serial number of 22 octets', DOES_NOT_LOOK],
  ['version 4', DOES_NOT_LOOK],
  ['extensions in version 1', DOES_NOT_LOOK],
  ['empty list of extensions', DOES_NOT_LOOK],
]);

export const PLANTS: readonly Plant[] = [
  ...chapter('dates', [
    valid('starts at that very second', ({ certificates }, dice) => (dice.pick(certificates).notBefore = TEST_DAY)),
    valid('ends at that very second', ({ certificates }, dice) => (dice.pick(certificates).notAfter = TEST_DAY), {
      differs: 'counts the last second as past; RFC 5280 §4.1.2.5 includes it',
    }),
    refused('x509/expired', 'expired a second before', ({ certificates }, dice) => {
      dice.pick(certificates).notAfter = new Date(TEST_DAY.getTime() - 1000);
    }),
    refused('x509/not-yet-valid', 'valid a second later', ({ certificates }, dice) => {
      dice.pick(certificates).notBefore = new Date(TEST_DAY.getTime() + 1000);
    }),
  ]),
  ...chapter('names and signatures', [
    valid('nothing', () => undefined),
    valid('issuer named in other letters and another string type', ({ certificates, id }, dice) => {
      const i = 2 + dice.roll(certificates.length - 2);
      at(certificates, i).issuer = plainName(`${id}  CA  ${i - 1} `, 0x13);
    }),
    valid('no key identifiers', ({ certificates, crls }) => {
      for (const { extensions } of [...certificates, ...crls]) {
        extensions.delete(OID.subjectKeyIdentifier);
        extensions.delete(OID.authorityKeyIdentifier);
      }
    }),
    valid('the same CA expired beside', (draft, dice) => {
      draft.beside.push({ ...someCa(draft, dice), serial: serialOf(draft.id, 9), notAfter: LONG_PAST });
    }),
    valid('another CA of the same name beside', (draft, dice, keys) => {
      draft.beside.push(namesake(someCa(draft, dice), draft, dice, keys));
    }),
    valid(
      'another CA of the same name beside, without key identifiers',
      (draft, dice, keys) => {
        const ca = someCa(draft, dice);
        const other = namesake(ca, draft, dice, keys);
        for (const { extensions } of [...draft.certificates, other]) {
          extensions.delete(OID.subjectKeyIdentifier);
          extensions.delete(OID.authorityKeyIdentifier);
        }
        draft.beside.push(other);
      },
      { differs: 'takes the first issuer of that name and does not come back when its key does not fit' },
    ),
    valid('a self-issued CA with a new key, not counted', (draft, dice, keys) => selfIssue(draft, dice, keys), {
      reshapes: true,
    }),
    refused('x509/bad-signature', 'a bit of the signature flipped', ({ certificates }, dice) => {
      below(certificates, dice).spoil = (der) => flipped(der, der.length - 1);
    }),
    refused('x509/bad-signature', 'a bit of the serial number flipped', ({ certificates }, dice) => {
      const certificate = below(certificates, dice);
      certificate.spoil = (der) => flipped(der, Buffer.from(der).indexOf(certificate.serial) + 5);
    }),
    refused('x509/bad-signature', 'signed with another key', ({ certificates }, dice, keys) => {
      const certificate = below(certificates, dice);
      certificate.signer = keys.elliptic.find((key) => key !== certificate.signer) as DraftCertificate['signer'];
    }),
    refused('x509/no-path', 'issued by somebody else by name', ({ certificates, id }, dice) => {
      below(certificates, dice).issuer = plainName(`${id} nobody`);
    }),
    refused('x509/no-path', 'issued by another key by its identifier', ({ certificates }, dice) => {
      put(below(certificates, dice), plainExtension.authorityKeyId(Uint8Array.of(1, 2, 3)));
    }),
    refused(
      'x509/no-path',
      'a CA is missing',
      (draft, dice) => {
        draft.certificates.splice(1 + dice.roll(draft.certificates.length - 2), 1);
      },
      { reshapes: true },
    ),
  ]),
  ...chapter('CAs', [
    valid('basic constraints not critical', (draft, dice) => {
      put(someCa(draft, dice), { ...plainExtension.basicConstraints(true), critical: false });
    }),
    valid('no key usage', ({ certificates }, dice) => dice.pick(certificates).extensions.delete(OID.keyUsage)),
    valid('a path just short enough', ({ certificates }, dice) => {
      const i = dice.roll(certificates.length - 1);
      put(at(certificates, i), plainExtension.basicConstraints(true, certificates.length - 2 - i));
    }),
    refused('x509/path-length', 'a path one CA too long', ({ certificates }, dice) => {
      const i = dice.roll(certificates.length - 2);
      put(at(certificates, i), plainExtension.basicConstraints(true, certificates.length - 3 - i));
    }),
    refused('x509/not-a-ca', 'CA: FALSE', (draft, dice) =>
      put(someCa(draft, dice), plainExtension.basicConstraints(false)),
    ),
    refused('x509/not-a-ca', 'keyCertSign without basic constraints', (draft, dice) =>
      someCa(draft, dice).extensions.delete(OID.basicConstraints),
    ),
    refused(
      'x509/not-a-ca',
      'an anchor without basic constraints',
      ({ certificates }) => at(certificates, 0).extensions.delete(OID.basicConstraints),
      { differs: 'takes keyCertSign for being a CA in an anchor unless told `-x509_strict`' },
    ),
    refused('x509/not-a-ca', 'neither basic constraints nor key usage', (draft, dice) => {
      const { extensions } = someCa(draft, dice);
      extensions.delete(OID.basicConstraints);
      extensions.delete(OID.keyUsage);
    }),
    refused('x509/not-a-ca', 'a CA of version 1', (draft, dice) => (someCa(draft, dice).version = 1)),
    refused('x509/not-a-ca', 'an anchor of version 1', ({ certificates }) => (at(certificates, 0).version = 1), {
      differs: 'believes anchors of version 1, which cannot say what they are for',
    }),
    valid('a leaf of version 1', ({ certificates }) => (at(certificates, -1).version = 1), {
      question: { eku: false },
    }),
    refused('x509/key-usage', 'a key that may not sign certificates', ({ certificates }, dice) => {
      put(at(certificates, dice.roll(certificates.length - 1)), plainExtension.keyUsage(0, 6));
    }),
  ]),
  ...chapter('extensions and purposes', [
    valid('an unknown extension', ({ certificates }, dice) => put(dice.pick(certificates), unknown(false))),
    refused('x509/unknown-critical-extension', 'an unknown critical extension', ({ certificates }, dice) => {
      put(dice.pick(certificates), unknown(true));
    }),
    refused('x509/extended-key-usage', 'a leaf for something else', purposesOf('leaf', OID.codeSigning), FOR_PURPOSE),
    valid('a leaf for this and something else', purposesOf('leaf', OID.codeSigning, OID.clientAuth), FOR_PURPOSE),
    refused('x509/extended-key-usage', 'a leaf for anything', purposesOf('leaf', OID.anyExtendedKeyUsage), FOR_PURPOSE),
    refused(
      'x509/extended-key-usage',
      'a leaf that does not say what for',
      ({ certificates }) => at(certificates, -1).extensions.delete(OID.extendedKeyUsage),
      { ...FOR_PURPOSE, differs: 'takes no statement for any purpose; ours must be named' },
    ),
    valid('a CA for this', purposesOf('ca', OID.clientAuth), FOR_PURPOSE),
    refused('x509/extended-key-usage', 'a CA for something else', purposesOf('ca', OID.codeSigning), FOR_PURPOSE),
    valid('a CA for anything', purposesOf('ca', OID.anyExtendedKeyUsage), {
      ...FOR_PURPOSE,
      differs: 'does not know "any purpose" before version 3.2',
    }),
    refused(
      'x509/key-usage',
      'a leaf key that may only encrypt',
      ({ certificates }) => put(at(certificates, -1), plainExtension.keyUsage(2)),
      FOR_PURPOSE,
    ),
    valid(
      'a leaf key for non-repudiation alone',
      ({ certificates }) => put(at(certificates, -1), plainExtension.keyUsage(1)),
      { ...FOR_PURPOSE, differs: 'wants digitalSignature for TLS clients; for signed software either will do' },
    ),
    refused(
      'x509/weak',
      'a leaf key of RSA with 1024 bits',
      ({ certificates }) => (at(certificates, -1).spki = WEAK_RSA),
    ),
    refused(
      'x509/unsupported',
      'a leaf key on secp256k1',
      ({ certificates }) => (at(certificates, -1).spki = KOBLITZ),
      {
        differs: 'has the curve; we do not',
      },
    ),
  ]),
  ...chapter('name constraints', [...forms(), ...oddNames()]),
  ...chapter('policies', policies()),
  ...chapter('CRLs', revocation()),
  ...chapter('encoding', MALFORMATIONS.map(malformation)),
];

/** Why the two differ where things come together that they judge alike one by one: each must be among those planted. */
export const TOGETHER: readonly { readonly planted: readonly [RegExp, RegExp]; readonly differs: string }[] = [
  {
    planted: [/no key identifiers|version 1$/, /self-issued|same name|key of its own/],
    differs: 'takes the first certificate of the issuer’s name for the issuer, and does not come back',
  },
  {
    planted: [/self-issued/, /key of its own/],
    differs: 'the same: here the key that may only sign CRLs is also the CA’s next one',
  },
  {
    planted: [/policies: demanded|policies: any, inhibited/, /key of its own/],
    differs: 'asks nothing of policies where a path leads to the signer of a CRL; RFC 5280 §6.3.3 f',
  },
  {
    planted: [/on hold, and a newer/, /CRLs: (?:of tomorrow|expired|for|of|with|a delta)/],
    differs: 'believes the newest CRL; ours ends a hold only by a current one of the same scope',
  },
];

function* forms(): Iterable<Plant> {
  const xx = derSequence(derSetOf([derSequence(derOid(OID.country), derPrimitive(0x13, Buffer.from('XX')))]));
  const yy = derSequence(derSetOf([derSequence(derOid(OID.country), derPrimitive(0x13, Buffer.from('YY')))]));
  const { dns, uri, rfc822, ip, directory } = generalName;
  const cases: readonly (readonly [string, Uint8Array, Uint8Array, Uint8Array])[] = [
    ['DNS', dns('example.com'), dns('www.example.com'), dns('example.org')],
    ['URI', uri('.example.com'), uri('https://www.example.com/x'), uri('https://www.example.org/x')],
    ['e-mail', rfc822('example.com'), rfc822('a@example.com'), rfc822('a@example.org')],
    ['IPv4', ip(10, 0, 0, 0, 255, 0, 0, 0), ip(10, 1, 2, 3), ip(11, 1, 2, 3)],
    ['IPv4 with IPv6', ip(10, 0, 0, 0, 255, 0, 0, 0), ip(10, 1, 2, 3), ip(10, ...Array.from({ length: 15 }, () => 0))],
    ['directory', xx, directory(plainName('inside')), directory(yy)],
  ];
  for (const [form, base, inside, outside] of cases) {
    const subtree = form === 'directory' ? directory(base) : base;
    yield valid(`${form} within what is permitted`, constrained([subtree], [], inside));
    yield refused('x509/name-constraints', `${form} outside what is permitted`, constrained([subtree], [], outside));
    if (form === 'directory') {
      yield refused('x509/name-constraints', 'directory excluded', constrained([], [directory(yy)], directory(yy)));
      yield valid('directory not excluded', constrained([], [directory(yy)], inside));
    } else {
      yield refused('x509/name-constraints', `${form} excluded`, constrained([], [subtree], inside));
      yield valid(`${form} not excluded`, constrained([], [subtree], outside));
    }
  }
}

function* oddNames(): Iterable<Plant> {
  const { dns, uri, rfc822 } = generalName;
  yield valid('a form that is not constrained', constrained([dns('example.com')], [], rfc822('a@example.org')));
  yield refused(
    'x509/name-constraints',
    'a URI without a host',
    constrained([uri('.example.com')], [], uri('urn:example:com')),
  );
  yield refused('x509/name-constraints', 'an e-mail address in the subject', (draft, dice) => {
    constrain(draft, dice, plainExtension.nameConstraints([rfc822('example.com')]));
    const address = derSequence(derOid(OID.emailAddress), derPrimitive(0x16, Buffer.from('a@example.org')));
    at(draft.certificates, -1).subject = derSequence(derSetOf([address]));
  });
  yield valid(
    'a common name that looks like a host',
    (draft, dice) => {
      constrain(draft, dice, plainExtension.nameConstraints([dns('example.com')]));
      at(draft.certificates, -1).subject = plainName('www.example.org');
    },
    { differs: 'takes common names for DNS names; RFC 5280 §4.2.1.10 does not' },
  );
  yield valid(
    'a self-issued CA outside',
    (draft, dice, keys) => {
      const base = derSequence(derSetOf([derSequence(derOid(OID.country), derPrimitive(0x13, Buffer.from('YY')))]));
      const ca = selfIssue(draft, dice, keys);
      put(ca, plainExtension.nameConstraints([generalName.directory(base)]));
      // Only names below the constraint count, and the leaf's lies within.
      const index = draft.certificates.indexOf(ca);
      draft.certificates.splice(index + 2, draft.certificates.length - index - 3);
      const leaf = at(draft.certificates, -1);
      const issuer = at(draft.certificates, -2);
      Object.assign(leaf, { subject: base, issuer: issuer.subject, signer: issuer.key });
      put(leaf, plainExtension.authorityKeyId(keyId(issuer.key)));
    },
    { reshapes: true },
  );
}

function* policies(): Iterable<Plant> {
  const { policies: state, policyMappings, policyConstraints, inhibitAnyPolicy } = plainExtension;
  const explicit = { question: { policies: { requireExplicit: true } } };
  const everywhere = ({ certificates }: Draft, ...extensions: Extension[]) => {
    for (const certificate of certificates.slice(1)) put(certificate, ...extensions);
  };
  yield valid('stated throughout', (draft) => everywhere(draft, state(POLICY)), explicit);
  yield valid('stated by nobody, asked by nobody', () => undefined);
  yield refused(
    'x509/policy',
    'missing somewhere',
    (draft, dice) => {
      everywhere(draft, state(POLICY));
      below(draft.certificates, dice).extensions.delete(OID.certificatePolicies);
    },
    explicit,
  );
  yield refused(
    'x509/policy',
    'another one somewhere',
    (draft, dice) => {
      everywhere(draft, state(POLICY));
      put(below(draft.certificates, dice), state(OTHER_POLICY));
    },
    explicit,
  );
  yield refused('x509/policy', 'another one asked for', (draft) => everywhere(draft, state(POLICY)), {
    question: { policies: { requireExplicit: true, initial: [OTHER_POLICY] } },
  });
  yield valid('the one asked for among others', (draft) => everywhere(draft, state(POLICY, OTHER_POLICY)), {
    question: { policies: { requireExplicit: true, initial: [OTHER_POLICY] } },
  });
  yield valid(
    'any, above the one stated',
    (draft) => {
      everywhere(draft, state(OID.anyPolicy));
      put(at(draft.certificates, -1), state(POLICY));
    },
    explicit,
  );
  yield refused(
    'x509/policy',
    'any, when that is inhibited',
    (draft) => {
      everywhere(draft, state(OID.anyPolicy));
      put(at(draft.certificates, -1), state(POLICY));
    },
    { question: { policies: { requireExplicit: true, inhibitAny: true } } },
  );
  yield refused(
    'x509/policy',
    'any, inhibited by a CA',
    (draft) => {
      everywhere(draft, state(POLICY));
      put(at(draft.certificates, 1), inhibitAnyPolicy(0));
      put(at(draft.certificates, 2), state(OID.anyPolicy));
    },
    explicit,
  );
  const mapped = (draft: Draft) => {
    everywhere(draft, state(FOREIGN_POLICY));
    put(at(draft.certificates, 1), state(POLICY), policyMappings([POLICY, FOREIGN_POLICY]));
  };
  yield valid('mapped', mapped, explicit);
  yield refused('x509/policy', 'mapped, when that is inhibited', mapped, {
    question: { policies: { requireExplicit: true, inhibitMapping: true } },
  });
  yield refused('x509/policy', 'mapped from any', (draft) => {
    everywhere(draft, state(POLICY));
    put(at(draft.certificates, 1), policyMappings([OID.anyPolicy, POLICY]));
  });
  yield valid('demanded by a CA and stated', (draft) => {
    everywhere(draft, state(POLICY));
    put(at(draft.certificates, 1), policyConstraints(0));
  });
  yield refused('x509/policy', 'demanded by a CA and not stated', (draft) => {
    everywhere(draft, state(POLICY));
    put(at(draft.certificates, 1), policyConstraints(0));
    at(draft.certificates, -1).extensions.delete(OID.certificatePolicies);
  });
  yield refused(
    'x509/policy',
    'demanded by the anchor and not stated',
    (draft) => put(at(draft.certificates, 0), policyConstraints(0)),
    { differs: 'does not look at the policy constraints of an anchor, as RFC 5280 §6.1.1 allows; RFC 5937 §3.2' },
  );
  yield refused('x509/malformed', 'stated twice', ({ certificates }) =>
    put(at(certificates, -1), state(POLICY, POLICY)),
  );
}

function* revocation(): Iterable<Plant> {
  const { issuingDistributionPoint: idp, distributionPoint, crlNumber, reason, deltaOf } = plainExtension;
  const leafCrl = ({ crls }: Draft) => at(crls, -1);
  const list = (draft: Draft, crl: DraftCrl, ...extensions: Extension[]) => {
    const issued = draft.certificates.slice(1).find(({ issuer }) => Buffer.compare(issuer, crl.issuer) === 0);
    if (issued) crl.entries.push({ serial: issued.serial, revokedAt: LONG_PAST, extensions });
  };
  yield valid('current, and listing others', () => undefined, WITH_CRLS);
  yield refused('x509/revoked', 'listing it', (draft, dice) => list(draft, dice.pick(draft.crls)), WITH_CRLS);
  yield refused(
    'x509/revoked',
    'listing it with a reason',
    (draft, dice) => list(draft, dice.pick(draft.crls), reason(dice.pick([1, 2, 3, 4, 5, 6, 9, 10]))),
    WITH_CRLS,
  );
  yield valid('listing it as taken off the list', (draft) => list(draft, leafCrl(draft), reason(8)), WITH_CRLS);
  yield refused('x509/no-crl', 'missing', ({ crls }, dice) => crls.splice(dice.roll(crls.length), 1), WITH_CRLS);
  yield refused(
    'x509/crl-stale',
    'expired',
    ({ crls }, dice) => (dice.pick(crls).nextUpdate = new Date(TEST_DAY.getTime() - 1000)),
    WITH_CRLS,
  );
  yield refused(
    'x509/revoked',
    'expired, and listing it',
    (draft, dice) => {
      const crl = dice.pick(draft.crls);
      list(draft, crl);
      crl.nextUpdate = new Date(TEST_DAY.getTime() - 1000);
    },
    WITH_CRLS,
  );
  yield refused(
    'x509/crl-stale',
    'of tomorrow',
    ({ crls }, dice) => (dice.pick(crls).thisUpdate = new Date(TEST_DAY.getTime() + 1000)),
    WITH_CRLS,
  );
  yield refused('x509/crl-stale', 'without an end', ({ crls }, dice) => delete dice.pick(crls).nextUpdate, {
    ...WITH_CRLS,
    differs: 'takes a CRL without nextUpdate for current for ever; RFC 5280 §5.1.2.5 wants one',
  });
  yield refused(
    'x509/bad-signature',
    'with a bit of the signature flipped',
    ({ crls }, dice) => (dice.pick(crls).spoil = (der) => flipped(der, der.length - 1)),
    WITH_CRLS,
  );
  yield refused(
    'x509/bad-signature',
    'signed with another key',
    ({ crls }, dice, keys) => {
      const crl = dice.pick(crls);
      crl.signer = keys.elliptic.find((key) => key !== crl.signer) as DraftCrl['signer'];
    },
    WITH_CRLS,
  );
  yield refused(
    'x509/no-crl',
    'of somebody else',
    ({ crls, id }, dice) => (dice.pick(crls).issuer = plainName(`${id} nobody`)),
    WITH_CRLS,
  );
  yield refused(
    'x509/key-usage',
    'of a CA that may not sign any',
    ({ certificates }, dice) => put(at(certificates, dice.roll(certificates.length - 1)), plainExtension.keyUsage(5)),
    WITH_CRLS,
  );
  yield valid(
    'of a key of its own, certified by the CA above',
    (draft, _, keys) => {
      const [above, ca] = [at(draft.certificates, -3), at(draft.certificates, -2)];
      const key = keys.elliptic.find((candidate) => draft.certificates.every((used) => used.key !== candidate));
      if (!key) throw new Error('All keys are in use.');
      draft.beside.push({
        ...{ version: 3, serial: serialOf(draft.id, 8), subject: ca.subject, issuer: above.subject },
        ...{ notBefore: ca.notBefore, notAfter: ca.notAfter, key, signer: above.key },
        extensions: byOid(
          plainExtension.keyUsage(6),
          plainExtension.subjectKeyId(keyId(key)),
          plainExtension.authorityKeyId(keyId(above.key)),
        ),
      });
      const crl = leafCrl(draft);
      crl.signer = key;
      put(crl, plainExtension.authorityKeyId(keyId(key)));
    },
    WITH_CRLS,
  );
  yield valid('for leaves alone', (draft) => put(leafCrl(draft), idp({ only: 'leaves' })), WITH_CRLS);
  yield refused(
    'x509/no-crl',
    'for CAs alone, of a leaf',
    (draft) => put(leafCrl(draft), idp({ only: 'cas' })),
    WITH_CRLS,
  );
  yield refused(
    'x509/no-crl',
    'for leaves alone, of a CA',
    ({ crls }) => put(at(crls, 0), idp({ only: 'leaves' })),
    WITH_CRLS,
  );
  const shard = (draft: Draft, of: string, named: string | undefined) => {
    put(leafCrl(draft), idp({ url: of }));
    if (named !== undefined) put(at(draft.certificates, -1), distributionPoint(named));
  };
  yield valid('of the shard it names', (draft) => shard(draft, CRL_URL, CRL_URL), WITH_CRLS);
  yield refused('x509/no-crl', 'of another shard', (draft) => shard(draft, OTHER_URL, CRL_URL), WITH_CRLS);
  yield refused(
    'x509/no-crl',
    'of a shard, when it names none',
    (draft) => shard(draft, CRL_URL, undefined),
    WITH_CRLS,
  );
  yield refused('x509/no-crl', 'for some reasons', (draft) => put(leafCrl(draft), idp({ reasons: [1, 2] })), WITH_CRLS);
  yield valid(
    'for some reasons, and another for the rest',
    (draft) => {
      const second = { ...leafCrl(draft), extensions: new Map(leafCrl(draft).extensions) };
      put(leafCrl(draft), idp({ reasons: [1, 2] }));
      put(second, idp({ reasons: [3, 4, 5, 6, 7, 8] }));
      draft.crls.push(second);
    },
    WITH_CRLS,
  );
  yield refused(
    'x509/crl-not-usable',
    'with an unknown critical extension',
    ({ crls }, dice) => put(dice.pick(crls), unknown(true)),
    WITH_CRLS,
  );
  yield refused(
    'x509/crl-not-usable',
    'with an unknown critical extension of some entry',
    ({ crls }, dice) =>
      dice.pick(crls).entries.push({ serial: Uint8Array.of(0x33), revokedAt: LONG_PAST, extensions: [unknown(true)] }),
    WITH_CRLS,
  );
  yield refused('x509/crl-delta', 'a delta alone', ({ crls }, dice) => put(dice.pick(crls), deltaOf(1)), WITH_CRLS);
  yield refused('x509/crl-indirect', 'indirect', (draft) => put(leafCrl(draft), idp({ isIndirect: true })), {
    ...WITH_CRLS,
    differs: 'takes indirect CRLs when told `-extended_crl`; we do when told `indirectCrls`',
  });
  const newer = (draft: Draft) => {
    const crl = soundCrl(at(draft.certificates, -2));
    crl.thisUpdate = new Date(TEST_DAY.getTime() - 1000);
    put(crl, crlNumber(2));
    draft.crls.push(crl);
  };
  yield valid(
    'listing it on hold, and a newer one not',
    (draft) => {
      list(draft, leafCrl(draft), reason(6));
      newer(draft);
    },
    WITH_CRLS,
  );
  yield refused(
    'x509/revoked',
    'listing it, and a newer one not',
    (draft) => {
      list(draft, leafCrl(draft), reason(1));
      newer(draft);
    },
    { ...WITH_CRLS, differs: 'believes the newest CRL; ours never forgets, holds excepted' },
  );
  yield valid(
    'none, and none is promised',
    (draft) => {
      put(at(draft.certificates, -1), { oid: OID.noRevAvail, critical: false, value: derNull() });
      draft.crls.pop();
    },
    { ...WITH_CRLS, differs: 'does not know noRevAvail (RFC 9608) before version 3.4' },
  );
}

function malformation(form: Malformation): Plant {
  const differs = READ_BY_OPENSSL.get(form.name);
  return refused(
    'x509/malformed',
    form.name,
    ({ certificates }) => (at(certificates, -1).spoilTbs = (tbs) => spoilTbs(tbs, form)),
    differs === undefined ? {} : { differs },
  );
}

function chapter(name: string, plants: Iterable<Plant>): Plant[] {
  return [...plants].map((plant) => ({ ...plant, chapter: name }));
}

function valid(name: string, plant: (...args: Parameters<Change>) => unknown, options: Options = {}): Plant {
  return { chapter: '', name, ...options, plant: (...args) => void plant(...args) };
}

function refused(
  answer: X509FaultCode,
  name: string,
  plant: (...args: Parameters<Change>) => unknown,
  options: Options = {},
): Plant {
  return { ...valid(name, plant, options), answer };
}

/** One between root and leaf. */
function someCa({ certificates }: Draft, dice: Dice): DraftCertificate {
  return at(certificates, 1 + dice.roll(certificates.length - 2));
}

/** Any but the anchor. */
function below(certificates: readonly DraftCertificate[], dice: Dice): DraftCertificate {
  return at(certificates, 1 + dice.roll(certificates.length - 1));
}

function at<T>(list: readonly T[], index: number): T {
  return list.at(index) as T;
}

function namesake(ca: DraftCertificate, draft: Draft, dice: Dice, keys: Keys): DraftCertificate {
  const key = keys.elliptic.find((candidate) => draft.certificates.every((used) => used.key !== candidate));
  if (!key) throw new Error('All keys are in use.');
  const other = { ...ca, key, serial: serialOf(draft.id, 7), extensions: new Map(ca.extensions) };
  put(other, plainExtension.subjectKeyId(keyId(key)));
  return other;
}

/** A CA certifies its own next key, which signs what comes below; returns the CA with the old key. */
function selfIssue(draft: Draft, dice: Dice, keys: Keys): DraftCertificate {
  const { certificates } = draft;
  const index = 1 + dice.roll(certificates.length - 2);
  const [ca, child] = [at(certificates, index), at(certificates, index + 1)];
  const renewed = namesake(ca, draft, dice, keys);
  Object.assign(renewed, { issuer: ca.subject, signer: ca.key });
  put(renewed, plainExtension.authorityKeyId(keyId(ca.key)));
  const length = certificates.length - 2 - index;
  put(ca, plainExtension.basicConstraints(true, length));
  put(renewed, plainExtension.basicConstraints(true, length));
  child.signer = renewed.key;
  put(child, plainExtension.authorityKeyId(keyId(renewed.key)));
  certificates.splice(index + 1, 0, renewed);
  return ca;
}

function purposesOf(whose: 'leaf' | 'ca', ...purposes: string[]): Change {
  return (draft, dice) =>
    put(
      whose === 'leaf' ? at(draft.certificates, -1) : someCa(draft, dice),
      plainExtension.extendedKeyUsage(...purposes),
    );
}

function constrained(permitted: Uint8Array[], excluded: Uint8Array[], name: Uint8Array): Change {
  return (draft, dice) => {
    constrain(draft, dice, plainExtension.nameConstraints(permitted, excluded));
    put(at(draft.certificates, -1), plainExtension.subjectAltNames(name));
  };
}

/** Puts the constraints on the anchor or a CA. */
function constrain({ certificates }: Draft, dice: Dice, constraints: Extension): void {
  put(at(certificates, dice.roll(certificates.length - 1)), constraints);
}

function unknown(critical: boolean): Extension {
  return { oid: '1.3.6.1.4.1.32473.99', critical, value: derNull() };
}

function flipped(der: Uint8Array, index: number): Uint8Array {
  const copy = der.slice();
  copy[index] = (copy[index] ?? 0) ^ 1;
  return copy;
}

const spki = (key: { export(options: { format: 'der'; type: 'spki' }): Buffer }) =>
  new Uint8Array(key.export({ format: 'der', type: 'spki' }));
const WEAK_RSA = spki(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey);
const KOBLITZ = spki(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey);
