#!/usr/bin/env bash
# Made by GnuPG 2.2.40: keys and signatures, good ones and such as nobody should take. Run in this directory; needs gpg and faketime.
set -euo pipefail
cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --kill gpg-agent; rm -rf "$GNUPGHOME"' EXIT
at() { local when=$1; shift; faketime -f "$when" gpg --batch --quiet --yes --no-tty --pinentry-mode loopback --passphrase '' "$@"; }
now='2026-11-01 12:00:00'

# make NAME ALGORITHM [EXPIRY] [gpg options]: a primary key that signs
make() {
  local name=$1 algorithm=$2 expiry=${3:-never}; shift; shift; shift || true
  at "${when:-$now}" "$@" --quick-gen-key "$name <$name@example.com>" "$algorithm" sign "$expiry"
}
export_key() { at "$now" --armor --export "$1@example.com" > "$1.key.asc"; }
sign() { local key=$1 out=$2; shift 2; at "${when:-$now}" "$@" --local-user "$key@example.com" --output "$out" --detach-sign message.txt; }

printf 'What is signed.\n' > message.txt

make ed25519 ed25519;    export_key ed25519;  sign ed25519 ed25519.sig; sign ed25519 ed25519.asc --armor
make p384 nistp384;      export_key p384;     sign p384 p384.sig
make rsa3072 rsa3072;    export_key rsa3072;  sign rsa3072 rsa3072.sig
make stranger ed25519;   export_key stranger; sign stranger stranger.sig
make dsa2048 dsa2048;    export_key dsa2048;  sign dsa2048 dsa2048.sig
make rsa1024 rsa1024;    export_key rsa1024;  sign rsa1024 rsa1024.sig
make brainpool brainpoolP256r1; export_key brainpool; sign brainpool brainpool.sig
make sha1 rsa3072 never --cert-digest-algo SHA1; export_key sha1; sign sha1 sha1.sig

sign ed25519 digest-sha1.sig --digest-algo SHA1 --allow-weak-digest-algos
when='2026-11-01 12:00:00' sign ed25519 expired.sig --default-sig-expire 1d
when='2027-11-01 12:00:00' sign ed25519 future.sig

when='2026-10-01 12:00:00' make expired ed25519 1d; export_key expired; when='2026-10-01 13:00:00' sign expired expired-key.sig
make revoked ed25519; sign revoked revoked.sig
fingerprint=$(at "$now" --with-colons --list-keys revoked@example.com | awk -F: '/^fpr/ { print $10; exit }')
sed 's/^:---/---/' "$GNUPGHOME/openpgp-revocs.d/$fingerprint.rev" > "$GNUPGHOME/rev"
at "$now" --import "$GNUPGHOME/rev"; export_key revoked

# A primary key that only certifies, and a subkey that signs; then the subkey is revoked.
at "$now" --quick-gen-key 'subkey <subkey@example.com>' ed25519 cert never
fingerprint=$(at "$now" --with-colons --list-keys subkey@example.com | awk -F: '/^fpr/ { print $10; exit }')
at "$now" --quick-add-key "$fingerprint" ed25519 sign never
export_key subkey; sign subkey subkey.sig
printf 'key 1\nrevkey\ny\n0\n\ny\nsave\n' | faketime -f "$now" gpg --quiet --no-tty --pinentry-mode loopback --passphrase '' --command-fd 0 --edit-key subkey@example.com > /dev/null 2>&1
at "$now" --armor --export subkey@example.com > subkey-revoked.key.asc
at "$now" --armor --export-secret-keys ed25519@example.com > ed25519.private.asc

# Provenance as Helm writes it, over a file that stands for a chart.
printf 'no chart\n' > pump-1.0.0.tgz
sum=$(sha256sum pump-1.0.0.tgz | cut -d' ' -f1)
printf 'apiVersion: v2\nname: pump\nversion: 1.0.0\n\n...\nfiles:\n  pump-1.0.0.tgz: sha256:%s\n' "$sum" > "$GNUPGHOME/body"
at "$now" --local-user ed25519@example.com --output pump-1.0.0.tgz.prov --clearsign "$GNUPGHOME/body"
