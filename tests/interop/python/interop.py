"""HPKE and OHTTP against pyhpke (over the `cryptography` package), both roles; and the vector files of
tests/vectors checked without any of our code. Prints "N passed, N failed"."""
import hashlib
import hmac
import json
import os
import subprocess
import sys

from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey, KEMKeyPair
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

AEADS = {1: (AEADId.AES128_GCM, 16, AESGCM), 2: (AEADId.AES256_GCM, 32, AESGCM),
         3: (AEADId.CHACHA20_POLY1305, 32, ChaCha20Poly1305)}
VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "vectors")
KEM = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES128_GCM).kem


def suite(aead):
    return CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADS[aead][0])


def secret_key(raw):
    return KEMKey.from_pyca_cryptography_key(X25519PrivateKey.from_private_bytes(raw))


class Tool:
    def __init__(self, path):
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, name, *args):
        words = [name] + [a.hex() or "-" for a in args]
        self.p.stdin.write(" ".join(words) + "\n")
        self.p.stdin.flush()
        line = self.p.stdout.readline().split()
        if line[0] != "ok":
            raise ValueError(" ".join(line))
        answers = [b"" if w == "-" else bytes.fromhex(w) for w in line[1:]]
        return answers[0] if len(answers) == 1 else answers


# --- OHTTP over pyhpke, written from RFC 9458 ---

def hkdf_extract(salt, ikm):
    return hmac.new(salt, ikm, hashlib.sha256).digest()


def hkdf_expand(prk, info, size):
    out = block = b""
    while len(out) < size:
        block = hmac.new(prk, block + info + bytes([len(out) // 32 + 1]), hashlib.sha256).digest()
        out += block
    return out[:size]


def response_keys(context, enc, aead, nonce, label):
    size = AEADS[aead][1]
    prk = hkdf_extract(enc + nonce, context.export(label, max(12, size)))
    return hkdf_expand(prk, b"key", size), hkdf_expand(prk, b"nonce", 12)


def encapsulate(config, aead, request, label=b"message/bhttp request", extra=b"", ephemeral=None):
    header = config[:3] + (1).to_bytes(2, "big") + aead.to_bytes(2, "big")
    keys = None
    if ephemeral:
        private = secret_key(ephemeral)
        keys = KEMKeyPair(private, KEM.deserialize_public_key(
            X25519PrivateKey.from_private_bytes(ephemeral).public_key().public_bytes_raw()))
    enc, context = suite(aead).create_sender_context(
        KEM.deserialize_public_key(config[3:35]), label + b"\0" + header + extra, eks=keys)
    return header + enc + context.seal(request), context, enc


def decapsulate(secret, message, label=b"message/bhttp request", extra=b""):
    aead, enc = int.from_bytes(message[5:7], "big"), message[7:39]
    context = suite(aead).create_recipient_context(enc, secret_key(secret),
                                                   label + b"\0" + message[:7] + extra)
    return context.open(message[39:]), context, enc, aead


def respond(context, enc, aead, response, nonce, label=b"message/bhttp response"):
    key, base = response_keys(context, enc, aead, nonce, label)
    return nonce + AEADS[aead][2](key).encrypt(base, response, b"")


def open_response(context, enc, aead, message, label=b"message/bhttp response"):
    size = max(12, AEADS[aead][1])
    key, base = response_keys(context, enc, aead, message[:size], label)
    return AEADS[aead][2](key).decrypt(base, message[size:], b"")


# --- chunked OHTTP, written from draft-ietf-ohai-chunked-ohttp-08 ---

def varint(n):
    return n.to_bytes(1, "big") if n < 64 else (n | 1 << 14).to_bytes(2, "big") if n < 1 << 14 \
        else (n | 2 << 30).to_bytes(4, "big")


def seal_chunks(seal, data, size):
    out, pieces = b"", [data[i:i + size] for i in range(0, len(data), size)]
    for i, piece in enumerate(pieces[:-1]):
        sealed = seal(piece, b"", i)
        out += varint(len(sealed)) + sealed
    return out + varint(0) + seal(pieces[-1], b"final", len(pieces) - 1)


def open_chunks(open_one, data):
    out, at, count = b"", 0, 0
    while True:
        width = 1 << (data[at] >> 6)
        size = int.from_bytes(data[at:at + width], "big") & (1 << (8 * width - 2)) - 1
        at += width
        if size == 0:
            return out + open_one(data[at:], b"final", count)
        assert at + size <= len(data)
        out += open_one(data[at:at + size], b"", count)
        at, count = at + size, count + 1


def nonce_for(base, count):
    return (int.from_bytes(base, "big") ^ count).to_bytes(12, "big")


# --- tests: each yields nothing and raises when something is wrong ---

def hpke_ours_to_theirs(tool, aead, psk):
    ikm = os.urandom(32)
    pair = KEM.derive_key_pair(ikm)
    public = pair.public_key.to_public_bytes()
    extra = (os.urandom(32), b"name") if psk else (b"", b"")
    enc, sealed, exported = tool("hpke-seal", aead.to_bytes(2, "big"), public, b"info", *extra, b"aad", b"text")
    context = suite(aead).create_recipient_context(enc, pair.private_key, b"info", psk=extra[0], psk_id=extra[1])
    assert context.open(sealed, b"aad") == b"text"
    assert context.export(b"aad", 32) == exported


def hpke_theirs_to_ours(tool, aead, psk):
    ikm = os.urandom(32)
    pair = KEM.derive_key_pair(ikm)
    extra = (os.urandom(32), b"name") if psk else (b"", b"")
    enc, context = suite(aead).create_sender_context(pair.public_key, b"info", psk=extra[0], psk_id=extra[1])
    sealed = context.seal(b"text", b"aad")
    opened, exported = tool("hpke-open", aead.to_bytes(2, "big"), ikm, enc, b"info", *extra, b"aad", sealed)
    assert opened == b"text" and exported == context.export(b"aad", 32)
    try:
        tool("hpke-open", aead.to_bytes(2, "big"), ikm, enc, b"inf0", *extra, b"aad", sealed)
    except ValueError as e:
        assert "BAD_REQUEST" in str(e)
    else:
        raise AssertionError("opened with another info")


def ohttp_we_are_client(tool, aead):
    ikm = os.urandom(32)
    _, config, secret = tool("key", b"\x09", ikm)
    keys = len(config).to_bytes(2, "big") + config
    request, response = os.urandom(300), os.urandom(500)
    message = tool("encapsulate", aead.to_bytes(2, "big"), keys, request)
    got, context, enc, used = decapsulate(secret, message)
    assert got == request and used == aead
    answer = respond(context, enc, aead, response, os.urandom(32))
    assert tool("open", answer) == response


def ohttp_we_are_server(tool, aead):
    keys, config, _ = tool("key", b"\x01", os.urandom(32))
    assert keys == len(config).to_bytes(2, "big") + config
    request, response = os.urandom(700), os.urandom(100)
    message, context, enc = encapsulate(config, aead, request)
    assert tool("decapsulate", message) == request
    assert open_response(context, enc, aead, tool("respond", response)) == response


CHUNKED = (b"message/bhttp chunked request", b"message/bhttp chunked response")


def chunked_we_are_client(tool, aead):
    _, config, secret = tool("key", b"\x09", os.urandom(32))
    request, response = os.urandom(40000), os.urandom(30000)
    message = tool("chunked-encapsulate", aead.to_bytes(2, "big"), len(config).to_bytes(2, "big") + config,
                   (16384).to_bytes(2, "big"), request)
    enc = message[7:39]
    context = suite(aead).create_recipient_context(enc, secret_key(secret), CHUNKED[0] + b"\0" + message[:7])
    assert open_chunks(lambda c, aad, _: context.open(c, aad), message[39:]) == request
    nonce = os.urandom(32)
    key, base = response_keys(context, enc, aead, nonce, CHUNKED[1])
    answer = nonce + seal_chunks(lambda p, aad, n: AEADS[aead][2](key).encrypt(nonce_for(base, n), p, aad),
                                 response, 700)
    assert tool("chunked-open", b"\x11", answer) == response


def chunked_we_are_server(tool, aead):
    _, config, _ = tool("key", b"\x09", os.urandom(32))
    request, response = os.urandom(5000), os.urandom(50000)
    header = config[:3] + (1).to_bytes(2, "big") + aead.to_bytes(2, "big")
    enc, context = suite(aead).create_sender_context(KEM.deserialize_public_key(config[3:35]),
                                                     CHUNKED[0] + b"\0" + header)
    message = header + enc + seal_chunks(lambda p, aad, _: context.seal(p, aad), request, 900)
    assert tool("chunked-decapsulate", b"\x05", message) == request
    answer = tool("chunked-respond", (16384).to_bytes(2, "big"), response)
    key, base = response_keys(context, enc, aead, answer[:32], CHUNKED[1])
    assert open_chunks(lambda c, aad, n: AEADS[aead][2](key).decrypt(nonce_for(base, n), c, aad),
                       answer[32:]) == response


def own_vectors(_tool):
    """tests/vectors/protocol/ohttp.json: the same bytes come from pyhpke."""
    with open(os.path.join(VECTORS, "protocol", "ohttp.json"), encoding="ascii") as f:
        vectors = json.load(f)
    assert len(vectors) == 4
    for v in vectors:
        h = {k: bytes.fromhex(s) for k, s in v.items() if k not in ("aead_id", "request_label", "response_label")}
        label, answer = v["request_label"].encode(), v["response_label"].encode()
        message, context, enc = encapsulate(h["key_config"], v["aead_id"], h["bhttp_request"], label,
                                            h["extra"], h["skE"])
        assert message == h["encapsulated_request"]
        got, _, _, _ = decapsulate(h["skR"], message, label, h["extra"])
        assert got == h["bhttp_request"]
        assert respond(context, enc, v["aead_id"], h["bhttp_response"], h["response_nonce"],
                       answer) == h["encapsulated_response"]


def rfc9458(_tool):
    """The whole example of RFC 9458, AES-128-GCM included."""
    with open(os.path.join(VECTORS, "hpke", "rfc9458-appendix-a.json"), encoding="ascii") as f:
        v = {k: bytes.fromhex(s) for k, s in json.load(f).items() if k != "source"}
    message, context, enc = encapsulate(v["key_config"], 1, v["bhttp_request"], ephemeral=v["skE"])
    assert message == v["encapsulated_request"]
    assert respond(context, enc, 1, v["bhttp_response"], v["response_nonce"]) == v["encapsulated_response"]


def main():
    passed = failed = 0
    tests = [(f"{f.__name__} aead {a} psk {p}", f, (a, p)) for f in (hpke_ours_to_theirs, hpke_theirs_to_ours)
             for a in (2, 3) for p in (False, True)]
    tests += [(f"{f.__name__} aead {a}", f, (a,)) for f in
              (ohttp_we_are_client, ohttp_we_are_server, chunked_we_are_client, chunked_we_are_server) for a in (2, 3)]
    tests += [(f.__name__, f, ()) for f in (own_vectors, rfc9458)]
    tool = Tool(sys.argv[1])
    for name, f, args in tests:
        try:
            f(tool, *args)
            passed += 1
        except Exception as e:  # every kind of failure counts
            failed += 1
            print(f"FAILED {name}: {type(e).__name__}: {e}")
    print(f"python: {passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
