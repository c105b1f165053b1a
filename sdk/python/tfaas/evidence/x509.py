"""Certificates and revocation lists (RFC 5280) as the vendors of hardware make them, and chains to a pinned root at a
given moment. Only their algorithms: ECDSA P-256 with SHA-256 (Intel), RSASSA-PSS 4096 with SHA-384 and P-384 leaves
(AMD). Unknown critical extensions refuse. (Our own parsing: AMD's serial numbers are zero, which libraries refuse.)"""
from __future__ import annotations

import base64
import binascii
import functools
import re
from typing import Any, Iterable

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ..crypto import ecdsa_verify
from .der import BIT_STRING, BOOLEAN, INTEGER, NULL, SEQUENCE, SET, Der, Rejection

ECDSA_SHA256, RSA_PSS, MGF1 = "2a8648ce3d040302", "2a864886f70d01010a", "2a864886f70d010108"
SHA384 = "608648016503040202"
EC_PUBLIC_KEY, P256, P384, RSA = "2a8648ce3d0201", "2a8648ce3d030107", "2b81040022", "2a864886f70d010101"
COMMON_NAME, KEY_USAGE, BASIC_CONSTRAINTS = "550403", "551d0f", "551d13"
DIGITAL_SIGNATURE, KEY_CERT_SIGN, CRL_SIGN = 0x80, 0x04, 0x02
#: By the kind of a root's key: how its certificates are signed, the keys of its CAs, those of leaves.
_VENDORS = {"P-256": ("ecdsa", "P-256", "P-256"), "RSA-4096": ("pss", "RSA-4096", "P-384")}
CERTIFICATES_MAX, SIZE_MAX, LIST_SIZE_MAX, REVOKED_MAX = 8, 64 << 10, 1 << 20, 65536
_PEM = re.compile(r"-----BEGIN (CERTIFICATE|X509 CRL)-----[ \t\r\n\0]([A-Za-z0-9+/=\r\n]*)-----END \1-----"
                  r"(?:[ \t\r\n\0]+|\Z)")


def _algorithms() -> Rejection:
    return Rejection("not the vendor's algorithms")


def _sha384(der: Der) -> None:
    one = der.enter(SEQUENCE)
    der.end()
    if one.oid() != SHA384:
        raise _algorithms()
    if one.tag == NULL:
        one.item(NULL)
    one.end()


def _signature_algorithm(der: Der) -> str:
    algorithm = der.enter(SEQUENCE)
    oid = algorithm.oid()
    if oid == ECDSA_SHA256:
        algorithm.end()
        return "ecdsa"
    if oid != RSA_PSS:
        raise _algorithms()
    parameters = algorithm.enter(SEQUENCE)
    algorithm.end()
    _sha384(parameters.enter(0xa0))
    mask = parameters.enter(0xa1).enter(SEQUENCE)
    if mask.oid() != MGF1:
        raise _algorithms()
    _sha384(mask)
    if parameters.enter(0xa2).uint() != 48:
        raise _algorithms()
    if parameters.tag == 0xa3 and parameters.enter(0xa3).uint() != 1:
        raise _algorithms()
    parameters.end()
    return "pss"


def _key_kind(spki: bytes, what: str) -> str:
    outer = Der(spki, what).enter(SEQUENCE)
    algorithm = outer.enter(SEQUENCE)
    bits = outer.bits()
    outer.end()
    oid = algorithm.oid()
    if oid == EC_PUBLIC_KEY and algorithm.tag == 6:
        curve = algorithm.oid()
        algorithm.end()
        if bits[:1] == b"\x04" and (curve, len(bits)) in ((P256, 65), (P384, 97)):
            return "P-256" if curve == P256 else "P-384"
    elif oid == RSA:
        key = Der(bits, what).enter(SEQUENCE)
        modulus, exponent = key.big_integer(512), key.uint()
        key.end()
        if modulus.bit_length() == 4096 and exponent == 65537:
            return "RSA-4096"
    raise Rejection(f"{what}: not the vendor's algorithms")


def _extensions(der: Der, what: str, known: Iterable[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    entries = der.enter(SEQUENCE)
    der.end()
    while entries.more:
        one = entries.enter(SEQUENCE)
        oid = one.oid()
        critical = one.tag == BOOLEAN and one.bool()
        value = one.octets()
        one.end()
        if oid in found or len(found) == 32:
            raise Rejection(f"{what}: malformed extensions")
        if critical and oid not in known:
            raise Rejection(f"{what}: a critical extension that is not known")
        found[oid] = value
    return found


def _common_name(name: bytes, what: str) -> str | None:
    found = None
    relative = Der(name, what).enter(SEQUENCE)
    while relative.more:
        pairs = relative.enter(SET)
        while pairs.more:
            pair = pairs.enter(SEQUENCE)
            oid = pair.oid()
            value = pair.item()[1]
            pair.end()
            if oid != COMMON_NAME:
                continue
            if found is not None or len(value) > 128:
                raise Rejection(f"{what}: malformed name")
            found = value.decode("latin-1")
    return found


class _Signed:
    """SEQUENCE { what is signed, algorithm, signature }"""

    def __init__(self, der: bytes, what: str, most: int) -> None:
        if len(der) > most:
            raise Rejection(f"{what}: too large")
        outer = Der(der, what)
        inner = outer.enter(SEQUENCE)
        outer.end()
        _, body, self.signed = inner.item(SEQUENCE)
        self.raw, self.what = der, what
        self.algorithm = _signature_algorithm(inner)
        self.signature = inner.bits()
        inner.end()
        self.body = Der(body, what)

    def is_signed_by(self, issuer: Certificate) -> bool:
        key = issuer.key
        if self.algorithm == "pss" and isinstance(key, rsa.RSAPublicKey):
            try:
                key.verify(self.signature, self.signed, padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384())
            except InvalidSignature:
                return False
            return True
        if self.algorithm == "ecdsa" and issuer.key_kind == "P-256":
            pair = Der(self.signature, self.what).enter(SEQUENCE)
            raw = b"".join(pair.big_integer(32).to_bytes(32, "big") for _ in range(2))
            pair.end()
            return ecdsa_verify(key, raw, self.signed)
        return False


class Certificate(_Signed):
    def __init__(self, der: bytes, what: str) -> None:
        super().__init__(der, what, SIZE_MAX)
        tbs = self.body
        if tbs.tag != 0xa0 or tbs.enter(0xa0).uint() != 2:
            raise Rejection(f"{what}: not a certificate of version 3")
        self.serial = tbs.value(INTEGER)
        if _signature_algorithm(tbs) != self.algorithm:
            raise Rejection(f"{what}: two signature algorithms")
        self.issuer = tbs.item(SEQUENCE)[2]
        validity = tbs.enter(SEQUENCE)
        self.not_before, self.not_after = validity.time(), validity.time()
        validity.end()
        self.subject = tbs.item(SEQUENCE)[2]
        self.spki = tbs.item(SEQUENCE)[2]
        self.key_kind = _key_kind(self.spki, what)
        self.issuer_name, self.subject_name = _common_name(self.issuer, what), _common_name(self.subject, what)
        self.extensions: dict[str, bytes] = {}
        if tbs.tag == 0xa3:
            self.extensions = _extensions(tbs.enter(0xa3), what, (KEY_USAGE, BASIC_CONSTRAINTS))
        tbs.end()
        self._constraints()

    def _constraints(self) -> None:
        self.is_ca, self.path_length = False, CERTIFICATES_MAX
        self._usage: int | None = None  # no restriction
        if BASIC_CONSTRAINTS in self.extensions:
            outer = Der(self.extensions[BASIC_CONSTRAINTS], self.what)
            inner = outer.enter(SEQUENCE)
            outer.end()
            if inner.tag == BOOLEAN:
                self.is_ca = inner.bool()
            if inner.more:
                self.path_length = inner.uint()
            inner.end()
        if KEY_USAGE in self.extensions:
            outer = Der(self.extensions[KEY_USAGE], self.what)
            value = outer.value(BIT_STRING)
            outer.end()
            if len(value) < 2 or value[0] > 7:
                raise Rejection(f"{self.what}: malformed key usage")
            self._usage = value[1]

    def may(self, usage: int) -> bool:
        return self._usage is None or bool(self._usage & usage)

    @functools.cached_property
    def key(self) -> Any:
        try:
            return load_der_public_key(self.spki)
        except (ValueError, UnsupportedAlgorithm):
            raise Rejection(f"{self.what}: a public key that cannot be used") from None


def certificate(der: bytes, what: str) -> Certificate:
    """One in DER; what does not parse is `not a certificate`."""
    try:
        return Certificate(der, what)
    except Rejection as error:
        if str(error) == f"{what}: malformed":
            raise Rejection(f"{what}: not a certificate") from None
        raise


class RevocationList(_Signed):
    def __init__(self, der: bytes, what: str) -> None:
        super().__init__(der, what, LIST_SIZE_MAX)
        tbs = self.body
        if tbs.uint() != 1:
            raise Rejection(f"{what}: not a revocation list of version 2")
        if _signature_algorithm(tbs) != self.algorithm:
            raise Rejection(f"{what}: two signature algorithms")
        self.issuer = tbs.item(SEQUENCE)[2]
        self.this_update, self.next_update = tbs.time(), tbs.time()
        self._revoked: set[bytes] = set()
        if tbs.tag == SEQUENCE:
            entries = tbs.enter(SEQUENCE)
            while entries.more:
                if len(self._revoked) == REVOKED_MAX:
                    raise Rejection(f"{what}: too large")
                self._revoked.add(entries.enter(SEQUENCE).value(INTEGER))
        if tbs.tag == 0xa0:
            _extensions(tbs.enter(0xa0), f"{what}: a revocation list", ())
        tbs.end()

    def check(self, issuer: Certificate, at: int, usage: bool = True) -> None:
        """Is it `issuer`'s, and current? AMD's roots do not say that they sign lists: usage False."""
        if self.issuer != issuer.subject or (usage and not issuer.may(CRL_SIGN)):
            raise Rejection(f"{self.what}: a revocation list of another CA")
        if at < self.this_update:
            raise Rejection(f"{self.what}: a revocation list that is not current: not yet valid")
        if at > self.next_update:
            raise Rejection(f"{self.what}: a revocation list that is not current: expired")
        if not self.is_signed_by(issuer):
            raise Rejection(f"{self.what}: signature is invalid: a revocation list of another CA")

    def refuse(self, certificate: Certificate) -> None:
        if certificate.serial in self._revoked:
            raise Rejection(f"{self.what}: certificate revoked")


def pem_certificates(pem: bytes, what: str, lists: list[RevocationList] | None = None) -> list[Certificate]:
    """1 to 8 certificates in PEM (RFC 7468, strict: nothing else around); revocation lists where `lists` takes them."""
    if not pem or len(pem) > SIZE_MAX:
        raise Rejection(f"{what}: no certificates, or too many")
    bad = Rejection(f"{what}: not a list of PEM certificates")
    text = pem.decode("latin-1").lstrip(" \t\r\n\0")
    found: list[Certificate] = []
    while text:
        match = _PEM.match(text)
        if not match or len(found) > CERTIFICATES_MAX:
            raise bad
        text = text[match.end():]
        body = re.sub(r"[\r\n]", "", match.group(2))
        try:
            der = base64.b64decode(body, validate=True)
        except binascii.Error:
            raise bad from None
        if not der or base64.b64encode(der).decode("ascii") != body:
            raise bad
        if match.group(1) == "CERTIFICATE":
            found.append(certificate(der, what))
        elif lists is not None and len(lists) < CERTIFICATES_MAX:
            lists.append(RevocationList(der, what))
        else:
            raise bad
    if not 1 <= len(found) <= CERTIFICATES_MAX:
        raise bad
    return found


def find_path(leaf: Certificate, others: list[Certificate], root: Certificate, length: int,
              what: str) -> list[Certificate]:
    """The path of `length` certificates, `root` included and left out, from `leaf` to the pinned `root`."""
    path = [leaf]
    while len(path) < length - 1:
        issuer = next((one for one in others if one.subject == path[-1].issuer and one not in path), None)
        if issuer is None:
            raise Rejection(f"{what}: unable to get issuer certificate")
        path.append(issuer)
    if path[-1].issuer != root.subject or path[-1].raw == root.raw:
        raise Rejection(f"{what}: not a chain of {length} to the pinned root")
    return path


def verify_path(path: list[Certificate], root: Certificate, at: int, what: str) -> int:
    """leaf > intermediates > root at this moment. The earliest end of validity."""
    everyone = [*path, root]
    algorithm, ca_key, leaf_key = _VENDORS[root.key_kind]
    for i, one in enumerate(everyone):
        if at < one.not_before:
            raise Rejection(f"{what}: certificate is not yet valid")
        if at > one.not_after:
            raise Rejection(f"{what}: certificate has expired")
        if one.key_kind != (ca_key if i else leaf_key) or one.algorithm != algorithm:
            raise Rejection(f"{what}: not the vendor's algorithms")
        if i and (not one.is_ca or not one.may(KEY_CERT_SIGN) or one.path_length < i - 1):
            raise Rejection(f"{what}: an issuer is no CA")
    for one, issuer in zip(path, everyone[1:]):
        if one.issuer != issuer.subject:
            raise Rejection(f"{what}: not a chain")
        if not one.is_signed_by(issuer):
            raise Rejection(f"{what}: certificate signature failure")
    return min(one.not_after for one in everyone)


def p256_key(xy: bytes) -> ec.EllipticCurvePublicKey | None:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + xy)
    except ValueError:
        return None
