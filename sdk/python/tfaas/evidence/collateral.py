"""Intel's signed statements about platforms: TCB info and QE identity (over their exact bytes), their signer's chain,
the two revocation lists. Form: one JSON object of nine strings, as quote providers hand it out (docs/evidence.md)."""
from __future__ import annotations

import re
from typing import Any

from ..crypto import ecdsa_verify
from ..errors import Malformed
from ..wire import parse_json, unhex_any_case
from .der import Rejection, moment
from .x509 import DIGITAL_SIGNATURE, Certificate, RevocationList, find_path, pem_certificates, verify_path

SIZE_MAX = 1 << 20
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z\Z")


def iso_date(value: Any) -> int | None:
    match = _DATE.match(value) if isinstance(value, str) else None
    return moment("".join(match.groups())) if match else None


def _parse(text: str | bytes, what: str) -> dict[str, Any]:
    try:
        return parse_json(text)
    except Malformed:
        raise Rejection(f"{what}: not a JSON object") from None


class Collateral:
    def __init__(self, data: bytes) -> None:
        if len(data) > SIZE_MAX:
            raise Rejection(f"collateral: larger than {SIZE_MAX} bytes")
        self._all = _parse(data, "collateral")
        self.root_list = self._list("root_ca_crl")
        self.pck_list = self._list("pck_crl")
        self.ends = min(self.root_list.next_update, self.pck_list.next_update)
        self.tcb_info: dict[str, Any] = {}
        self.qe_identity: dict[str, Any] = {}

    def _member(self, key: str) -> str:
        value = self._all.get(key)
        if not isinstance(value, str) or not value:
            raise Rejection(f"collateral: no {key}")
        return value

    def _pem(self, key: str) -> bytes:
        return self._member(key).encode("utf-8")

    def _list(self, key: str) -> RevocationList:
        bad = Rejection(f"collateral: {key} is not a revocation list")
        try:
            return RevocationList(unhex_any_case(self._member(key)), key)
        except Malformed:
            raise bad from None
        except Rejection as error:
            if "malformed" in str(error):
                raise bad from None
            raise

    def check(self, root: Certificate, at: int) -> None:
        """The statements: their time, then their signer, then the signature over their bytes."""
        if self.root_list.issuer != root.subject:
            raise Rejection("collateral: root_ca_crl is not the root's")
        self.tcb_info = self._statement("TCBInfo", "tcb_info", root, at)
        self.qe_identity = self._statement("QE Identity", "qe_identity", root, at)

    def _statement(self, what: str, key: str, root: Certificate, at: int) -> dict[str, Any]:
        text = self._member(key)
        signature = self._member(f"{key}_signature")
        self._member(f"{key}_issuer_chain")
        value = _parse(text, what)
        begins, ends = iso_date(value.get("issueDate")), iso_date(value.get("nextUpdate"))
        if begins is None or ends is None:
            raise Rejection(f"{what}: malformed dates")
        if at < begins:
            raise Rejection(f"{what} issue date is in the future")
        if at > ends:
            raise Rejection(f"{what} expired")
        self.ends = min(self.ends, ends)
        signer = self._signer(what, self._pem(f"{key}_issuer_chain"), root, at)
        try:
            raw = unhex_any_case(signature, 64)
        except Malformed:
            raw = b""
        if not ecdsa_verify(signer.key, raw, text.encode("utf-8")):
            raise Rejection(f"{what}: signature is invalid")
        return value

    def _under_root(self, chain: bytes, what: str, root: Certificate, at: int) -> Certificate:
        """The first of a chain, which must be straight under the root and not in the root's list."""
        first = pem_certificates(chain, what)[0]
        try:
            self.ends = min(self.ends, verify_path(find_path(first, [], root, 2, what), root, at, what))
            self._not_revoked(root, at, first)
        except Rejection as error:
            text = str(error)
            raise Rejection(text if text.startswith(what) else f"{what}: {text}") from None
        return first

    def _signer(self, what: str, chain: bytes, root: Certificate, at: int) -> Certificate:
        signer = self._under_root(chain, what, root, at)
        if signer.subject_name != "Intel SGX TCB Signing" or signer.is_ca or not signer.may(DIGITAL_SIGNATURE):
            raise Rejection(f"{what}: its signer is not Intel's TCB signing key")
        return signer

    def _not_revoked(self, root: Certificate, at: int, *others: Certificate) -> None:
        """By the root's list, which may also end the root itself."""
        self.root_list.check(root, at)
        for one in (root, *others):
            self.root_list.refuse(one)

    def check_revocation(self, path: list[Certificate], root: Certificate, at: int) -> None:
        """The path PCK, PCK CA: neither is revoked, by lists of their own issuers."""
        pck, ca = path
        what = "PCK CRL issuer"
        issuer = self._under_root(self._pem("pck_crl_issuer_chain"), what, root, at)
        self._not_revoked(root, at, ca)
        if self.pck_list.issuer != pck.issuer or issuer.subject != pck.issuer:
            raise Rejection("PCK CRL: of another CA than the PCK certificate")
        if not self.pck_list.is_signed_by(issuer):
            raise Rejection("PCK CRL: signature is invalid")
        self.pck_list.check(ca, at)
        self.pck_list.refuse(pck)
