"""Secrets and packages that an owner seals to a verified domain, and the log lines of a confidential function
(SPECIFICATION.md 14.7, common/sealed.h)."""
from __future__ import annotations

import secrets
from typing import Iterable

from . import cbor
from .crypto import CHACHA20_POLY1305, Aead, NotAuthentic, Receiver, Sender, public_key, sha256
from .errors import Malformed, TfaasError
from .verify import Report
from .wire import base64url, is_hex, unbase64url

PACKAGES_MAX, NAME_MAX, HEADER_MAX, CONTENT_MAX = 64, 253, 4096, 48 << 20
_LABEL, _LOG_LABEL, _LOG_PREFIX = "tfaas-sealed-v1", b"tfaas-log-v1", "tfaas-log-v1:"


def package_digest(package: str) -> bytes:
    """From "sha256:HEX" or HEX."""
    text = package.removeprefix("sha256:")
    if not is_hex(text, 32):
        raise TfaasError("usage", "package: not a SHA-256 in lower-case hex")
    return bytes.fromhex(text)


def seal(of: Report, kind: str, name: str, content: bytes, *, packages: Iterable[str] = (),
         log_key: bytes | None = None) -> bytes:
    """To the sealing key of a verification that holds. kind "secret": `packages` may read it (none: any package of the
    domain); kind "package": its logs are sealed to `log_key`, or there are none."""
    if of.error is not None:
        raise TfaasError(of.error.code, "seal: there is no evidence that holds")
    digests = [package_digest(one) for one in packages]
    if kind not in ("secret", "package"):
        raise TfaasError("usage", "kind: neither secret nor package")
    if not name or len(name.encode("utf-8")) > NAME_MAX or "\0" in name:
        raise TfaasError("usage", "name: there is none, or it is too long")
    if (digests and kind != "secret") or (log_key is not None and (kind != "package" or len(log_key) != 32)):
        raise TfaasError("usage", "only a secret names packages, only a package has a log key of 32 bytes")
    if len(digests) > PACKAGES_MAX or len(content) > CONTENT_MAX:
        raise TfaasError("usage", "seal: too large")
    policy: dict[int, object] = {1: digests} if digests else {}
    if log_key is not None:
        policy[2] = log_key
    return _seal(of, kind, name, cbor.encode(policy), content)


def _seal(of: Report, kind: str, name: str, policy: bytes, content: bytes) -> bytes:
    fields: dict[int, object] = {1: _LABEL, 2: kind, 3: of.domain, 4: name, 5: sha256(of.sealing_key)[:8], 6: policy}
    content_key = secrets.token_bytes(32)
    try:
        sender = Sender(CHACHA20_POLY1305, of.sealing_key, _LABEL.encode() + cbor.encode(fields))
    except Malformed as error:
        raise TfaasError("domain_form", f"seal: {error}") from None
    fields.update({7: sender.enc, 8: sender.seal(content_key)})
    header = cbor.encode(fields)
    # A content key seals once, so its nonce may be zero.
    fields[9] = Aead(CHACHA20_POLY1305, content_key).seal(bytes(12), header, content)
    return cbor.encode(fields)


def generate_log_key() -> tuple[bytes, bytes]:
    """(secret, public): the public one goes into seal(..., log_key=...)."""
    secret = secrets.token_bytes(32)
    return secret, public_key(secret)


def open_log_line(line: str, secret: bytes, package: str) -> bytes:
    """The text that the function of this package logged; whole lines."""
    if not line.startswith(_LOG_PREFIX):
        raise TfaasError("usage", "not a sealed line of a log")
    try:
        data = unbase64url(line.removeprefix(_LOG_PREFIX).removesuffix("\n"))
        if len(data) < 32 + 16:
            raise Malformed("log line")
        receiver = Receiver(CHACHA20_POLY1305, secret, data[:32], _LOG_LABEL + package_digest(package))
        return receiver.open(data[32:])
    except Malformed:
        raise TfaasError("usage", "not a sealed line of a log") from None
    except NotAuthentic:
        raise TfaasError("response_not_authentic", "the line is of another key or package") from None


def seal_log_line(text: bytes, log_key: bytes, package: str) -> str:
    """What a core writes: for tests and tools."""
    sender = Sender(CHACHA20_POLY1305, log_key, _LOG_LABEL + package_digest(package))
    return _LOG_PREFIX + base64url(sender.enc + sender.seal(text)) + "\n"
