#!/usr/bin/env python3
"""Makes statements.json: the byte forms of SPECIFICATION.md section 14, written a second time, from fixed keys.
Needs the Python package cryptography (PyPI). Run: python3 tests/vectors/protocol/generate.py > statements.json"""
import base64, hashlib, hmac, json
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def head(major, n):
    for info, size in ((None, 0), (24, 1), (25, 2), (26, 4), (27, 8)):
        if info is None and n < 24:
            return bytes([major << 5 | n])
        if info is not None and n < 1 << 8 * size:
            return bytes([major << 5 | info]) + n.to_bytes(size, "big")


def cbor(value):
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(k) + cbor(value[k]) for k in sorted(value))


def raw(public):
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def fill(byte, size=32):
    return bytes([byte]) * size


def envelope(statement, key):
    return cbor([statement, key.sign(statement)])


def digest(label, *parts):
    return hashlib.sha512(label.encode() + b"".join(parts)).digest()


# --- RFC 9180, base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305 ---
def extract(salt, ikm):
    return hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()


def expand(prk, info, size):
    out, block, i = b"", b"", 1
    while len(out) < size:
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha256).digest()
        out, i = out + block, i + 1
    return out[:size]


def hpke_seal(receiver, ephemeral_secret, info, plain):
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"
    labeled_extract = lambda s, salt, label, ikm: extract(salt, b"HPKE-v1" + s + label + ikm)
    labeled_expand = lambda s, prk, label, i, n: expand(prk, n.to_bytes(2, "big") + b"HPKE-v1" + s + label + i, n)
    ephemeral = X25519PrivateKey.from_private_bytes(ephemeral_secret)
    enc = raw(ephemeral.public_key())
    dh = ephemeral.exchange(X25519PublicKey.from_public_bytes(receiver))
    shared = labeled_expand(kem, labeled_extract(kem, b"", b"eae_prk", dh), b"shared_secret", enc + receiver, 32)
    context = b"\x00" + labeled_extract(suite, b"", b"psk_id_hash", b"") + labeled_extract(suite, b"", b"info_hash", info)
    secret = labeled_extract(suite, shared, b"secret", b"")
    key = labeled_expand(suite, secret, b"key", context, 32)
    nonce = labeled_expand(suite, secret, b"base_nonce", context, 12)
    return enc, ChaCha20Poly1305(key).encrypt(nonce, plain, b"")


identity = Ed25519PrivateKey.from_private_bytes(fill(1))
signing = Ed25519PrivateKey.from_private_bytes(fill(2))
root = Ed25519PrivateKey.from_private_bytes(fill(3))
kem_key, request_key, sealing_key, log_key = (raw(X25519PrivateKey.from_private_bytes(fill(n)).public_key()) for n in (4, 5, 6, 7))
measurement, weights, instance, domain = fill(0x4D, 48), fill(0x57), fill(0x69, 16), "shop"
now = 1800000000

key = {1: "tfaas-key-v1", 2: raw(identity.public_key()), 3: 1, 4: now, 5: now + 4200, 6: "0.1.0", 7: weights, 8: measurement,
       9: 3600, 10: 600, 11: 120, 12: 1 << 20}
with_nonce = dict(key)
with_nonce[13] = b"nonce-of-a-client"
configuration = bytes([9]) + b"\x00\x20" + request_key + b"\x00\x08" + b"\x00\x01\x00\x02" + b"\x00\x01\x00\x03"
lease = cbor({1: "tfaas-lease-v1", 2: domain, 3: instance, 4: 1, 5: now, 6: now + 600, 7: configuration,
              8: raw(signing.public_key()), 9: measurement, 10: 1 << 20})
lease_envelope = envelope(lease, identity)
statement = cbor({1: "tfaas-domain-v1", 2: domain, 3: now, 4: now, 5: now + 600, 6: sealing_key, 7: [lease_envelope]})
request = cbor({1: "tfaas-lease-request-v1", 2: raw(signing.public_key()), 3: kem_key, 4: request_key, 5: 2,
                6: hashlib.sha256(lease_envelope).digest()})
report_data = digest("tfaas-key-v1", cbor(key))
simulated = {1: "tfaas-simulated-v1", 2: measurement, 3: report_data, 4: now, 5: raw(root.public_key())}
signed = dict(simulated)
signed[6] = root.sign(cbor(simulated))

package, content, content_key = hashlib.sha256(b"a package").digest(), b"the secret's content", fill(8)


def sealed(kind, name, policy):
    pairs = {1: "tfaas-sealed-v1", 2: kind, 3: domain, 4: name, 5: hashlib.sha256(sealing_key).digest()[:8], 6: cbor(policy)}
    enc, wrapped = hpke_seal(sealing_key, fill(9), b"tfaas-sealed-v1" + cbor(pairs), content_key)
    pairs.update({7: enc, 8: wrapped})
    header = cbor(pairs)
    ciphertext = ChaCha20Poly1305(content_key).encrypt(bytes(12), content, header)
    pairs[9] = ciphertext
    grant_enc, grant = hpke_seal(kem_key, fill(10), b"tfaas-grant-v1" + hashlib.sha256(header).digest(), content_key)
    return {"header": header, "object": cbor(pairs), "grant": grant_enc + grant}


enc, line = hpke_seal(log_key, fill(11), b"tfaas-log-v1" + package, b"a line\n")
log_line = "tfaas-log-v1:" + base64.urlsafe_b64encode(enc + line).decode().rstrip("=")
vectors = {
    "keys": {"identity_seed": fill(1), "identity": raw(identity.public_key()), "signing_seed": fill(2),
             "signing_key": raw(signing.public_key()), "root_seed": fill(3), "kem_secret": fill(4), "kem_key": kem_key,
             "request_secret": fill(5), "request_key": request_key, "sealing_secret": fill(6), "sealing_key": sealing_key,
             "log_secret": fill(7), "log_key": log_key},
    "key_statement": {"bytes": cbor(key), "report_data": report_data},
    "key_statement_with_nonce": {"bytes": cbor(with_nonce), "nonce": with_nonce[13], "report_data": digest("tfaas-key-v1", cbor(with_nonce))},
    "lease": {"bytes": lease, "envelope": lease_envelope, "key_configuration": configuration, "instance": instance},
    "domain_statement": {"bytes": statement, "envelope": envelope(statement, identity)},
    "lease_request": {"bytes": request, "envelope": envelope(request, signing), "previous": hashlib.sha256(lease_envelope).digest(),
                      "worker_data": digest("tfaas-worker-v1", raw(signing.public_key()), kem_key)},
    "keeper_data": {"bytes": digest("tfaas-keeper-v1", raw(identity.public_key()))},
    "simulated": {"bytes": cbor(signed), "platform_id": hashlib.sha256(raw(root.public_key())).digest()},
    "sealed_secret": sealed("secret", "token", {1: [package]}),
    "sealed_package": sealed("package", "hello", {2: log_key}),
    "sealed_content": {"content": content, "content_key": content_key, "package": package},
    "log": {"line": log_line.encode(), "text": b"a line\n"},
}
print(json.dumps({name: {k: v.hex() for k, v in group.items()} for name, group in vectors.items()}, indent=1))
