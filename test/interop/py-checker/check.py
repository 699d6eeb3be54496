"""Verifies receipts with cbor2 and cryptography, and nothing of ours.

    check.py URL SIZE SAMPLES

URL is the service's. Rebuilds the tree of the first SIZE entries from the log's entry bundles, then takes SAMPLES
entries spread over it: fetches statement and receipt, and holds the receipt (RFC 9942) against the key of
/.well-known/scitt-keys, against the statement's own bytes and against the rebuilt tree. Prints one JSON object; the
first thing that does not hold ends it with exit code 1.
"""

import base64
import hashlib
import http.client
import json
import sys
from urllib.parse import urlsplit

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

ALG, KID, CWT, PROOFS, VDS = 1, 4, 15, 396, 395
CHECKPOINT = "margo.checkpoint"


class Service:
    def __init__(self, url):
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def get(self, path, accept="*/*"):
        self.connection.request("GET", path, headers={"Accept": accept})
        response = self.connection.getresponse()
        body = response.read()
        require(response.status == 200, f"GET {path} answered {response.status}")
        return body


def require(holds, otherwise):
    if not holds:
        sys.exit(f"py-checker: {otherwise}")


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """RFC 9162 section 2.1.1, all perfect subtrees kept level by level."""

    def __init__(self, leaves):
        self.levels = [leaves]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            self.levels.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])

    def root(self, size):
        found, start = None, 0
        parts = []
        for height in reversed(range(len(self.levels))):
            if size - start >= 1 << height:
                parts.append(self.levels[height][start >> height])
                start += 1 << height
        for part in reversed(parts):
            found = part if found is None else node_hash(part, found)
        return found


def root_of(leaf, index, size, path):
    """RFC 9162 section 2.1.3.2."""
    fn, sn, root = index, size - 1, leaf
    for sibling in path:
        require(sn != 0, "an inclusion path is too long")
        if fn & 1 or fn == sn:
            root = node_hash(sibling, root)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = node_hash(root, sibling)
        fn, sn = fn >> 1, sn >> 1
    require(sn == 0, "an inclusion path is too short")
    return root


def load_entries(service, size):
    entries = []
    for index in range((size + 255) // 256):
        width = min(256, size - index * 256)
        groups, rest = f"{index % 1000:03}", index // 1000
        while rest:
            groups, rest = f"x{rest % 1000:03}/{groups}", rest // 1000
        bundle = service.get(f"/log/tile/entries/{groups}" + (f".p/{width}" if width < 256 else ""))
        at = 0
        for _ in range(width):
            length = int.from_bytes(bundle[at : at + 2], "big")
            entries.append(bundle[at + 2 : at + 2 + length])
            at += 2 + length
        require(at == len(bundle), f"bundle {index} has another length than its entries")
    return entries


def load_keys(service):
    keys = {}
    for key in cbor2.loads(service.get("/.well-known/scitt-keys", "application/cbor")):
        require(key[1] == 2 and key[-1] == 1, "a key is not on P-256")
        numbers = ec.EllipticCurvePublicNumbers(
            int.from_bytes(key[-2], "big"), int.from_bytes(key[-3], "big"), ec.SECP256R1()
        )
        keys[key[2]] = numbers.public_key()
    return keys


def check_receipt(receipt, entry, index, tree, keys):
    message = cbor2.loads(receipt)
    require(message.tag == 18, "a receipt is not a tagged COSE_Sign1")
    protected, unprotected, payload, signature = message.value
    header = cbor2.loads(protected)
    require(payload is None, "the payload of a receipt is attached")
    require(header[ALG] == -7 and header[VDS] == 1, "a receipt is not ES256 over RFC9162_SHA256")
    require(header[CWT][1] and header[CWT][2], "a receipt has no issuer or subject")
    (proof,) = unprotected[PROOFS][-1]
    size, at, path = cbor2.loads(proof)
    require(at == index, f"the receipt of entry {index} is of entry {at}")
    require(header[CHECKPOINT][1] == size, "the size of a receipt is not the one that is signed")
    root = root_of(leaf_hash(entry), index, size, path)
    require(root == tree.root(size), f"the receipt of entry {index} leads to a root that the log never had")
    signed = cbor2.dumps(["Signature1", protected, b"", root])
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    keys[header[KID]].verify(der, signed, ec.ECDSA(hashes.SHA256()))


def main(url, size, samples):
    service = Service(url)
    entries = load_entries(service, size)
    tree = Tree([leaf_hash(entry) for entry in entries])
    keys = load_keys(service)
    checked = 0
    for index in range(0, size, max(1, size // samples)):
        entry = entries[index]
        if len(entry) != 32:
            continue  # another kind of leaf: its receipt is asked for by other means
        entry_id = base64.urlsafe_b64encode(entry).decode().rstrip("=")
        statement = service.get(f"/entries/{entry_id}/statement")
        require(hashlib.sha256(statement).digest() == entry, f"statement {index} is not what was logged")
        check_receipt(service.get(f"/entries/{entry_id}"), entry, index, tree, keys)
        checked += 1
    root = base64.b64encode(tree.root(size)).decode()
    print(json.dumps({"size": size, "root": root, "receipts": checked}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
