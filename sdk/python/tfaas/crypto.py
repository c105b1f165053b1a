"""The primitives, all of them the `cryptography` package's; HPKE is pyhpke's."""
from __future__ import annotations

import functools
import hashlib
import hmac

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey, KEMKeyInterface, KEMKeyPair
from pyhpke.exceptions import PyHPKEError

from .errors import Malformed

AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305 = 1, 2, 3
NONCE_SIZE, TAG_SIZE, PUBLIC_SIZE = 12, 16, 32
_AEADS: dict[int, tuple[AEADId, int, type[AESGCM] | type[ChaCha20Poly1305]]] = {
    AES_128_GCM: (AEADId.AES128_GCM, 16, AESGCM), AES_256_GCM: (AEADId.AES256_GCM, 32, AESGCM),
    CHACHA20_POLY1305: (AEADId.CHACHA20_POLY1305, 32, ChaCha20Poly1305)}


class NotAuthentic(ValueError):
    """It does not open."""


def key_size(aead: int) -> int:
    return _AEADS[aead][1]


class Aead:
    def __init__(self, aead: int, key: bytes) -> None:
        self._cipher = _AEADS[aead][2](key)

    def seal(self, nonce: bytes, aad: bytes, plain: bytes) -> bytes:
        return self._cipher.encrypt(nonce, plain, aad)

    def open(self, nonce: bytes, aad: bytes, sealed: bytes) -> bytes:
        try:
            return self._cipher.decrypt(nonce, sealed, aad)
        except InvalidTag:
            raise NotAuthentic("it does not open") from None


def counter_nonce(base: bytes, count: int) -> bytes:
    return (int.from_bytes(base, "big") ^ count).to_bytes(len(base), "big")


def hkdf_extract(salt: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt, secret, "sha256")


def hkdf_expand(prk: bytes, info: bytes, size: int) -> bytes:
    out = block = b""
    while len(out) < size:
        block = hmac.digest(prk, block + info + bytes([len(out) // 32 + 1]), "sha256")
        out += block
    return out[:size]


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def ed25519_verify(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def ecdsa_verify(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """r and s big-endian, each half of `signature`; P-256 with SHA-256, P-384 with SHA-384."""
    half = key.curve.key_size // 8
    if len(signature) != 2 * half:
        return False
    pair = utils.encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    try:
        key.verify(pair, message, ec.ECDSA(hashes.SHA256() if half == 32 else hashes.SHA384()))
    except InvalidSignature:
        return False
    return True


# --- HPKE: base mode, X25519, HKDF-SHA256 ---

@functools.cache
def _suite(aead: int) -> CipherSuite:
    return CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, _AEADS[aead][0])


def public_key(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def _secret_key(secret: bytes) -> KEMKeyInterface:
    return KEMKey.from_pyca_cryptography_key(X25519PrivateKey.from_private_bytes(secret))


def _public_key(public: bytes) -> KEMKeyInterface:
    return KEMKey.from_pyca_cryptography_key(X25519PublicKey.from_public_bytes(public))


class Sender:
    """A sender's context: `enc`, seal, export. `ephemeral`: a secret key, for test vectors only."""

    def __init__(self, aead: int, public: bytes, info: bytes, ephemeral: bytes | None = None) -> None:
        pair = None
        if ephemeral is not None:
            pair = KEMKeyPair(_secret_key(ephemeral), _public_key(public_key(ephemeral)))
        self.aead = aead
        try:
            self.enc, self._context = _suite(aead).create_sender_context(_public_key(public), info, eks=pair)
        except (PyHPKEError, ValueError):  # a key of low order
            raise Malformed("HPKE: the public key cannot be used") from None

    def seal(self, plain: bytes, aad: bytes = b"") -> bytes:
        return self._context.seal(plain, aad)

    def export(self, label: bytes, size: int) -> bytes:
        return self._context.export(label, size)


class Receiver:
    def __init__(self, aead: int, secret: bytes, enc: bytes, info: bytes) -> None:
        self.aead, self.enc = aead, enc
        try:
            self._context = _suite(aead).create_recipient_context(enc, _secret_key(secret), info)
        except (PyHPKEError, ValueError):
            raise Malformed("HPKE: the public key cannot be used") from None

    def open(self, sealed: bytes, aad: bytes = b"") -> bytes:
        try:
            return self._context.open(sealed, aad)
        except PyHPKEError:
            raise NotAuthentic("it does not open") from None

    def export(self, label: bytes, size: int) -> bytes:
        return self._context.export(label, size)
