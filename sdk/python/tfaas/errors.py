"""The errors of this package: one class, each with a code. Codes, exit codes and sentences are those of libtfaas
(include/tfaas/client.h, TFAAS_CLIENT_ERROR_LIST)."""
from __future__ import annotations

import httpx

#: code: (exit code of `tfaas`, sentence)
CODES: dict[str, tuple[int, str]] = {
    "usage": (64, "a parameter is missing or malformed"),
    "policy_invalid": (64, "the policy is malformed"),
    "request_too_large": (64, "the request is larger than its form takes"),
    "no_memory": (1, "memory ran out"),
    "stopped": (1, "the caller's own callback ended the call"),
    "transport": (6, "no answer came through"),
    "unavailable": (6, "the host says that it cannot serve now"),
    "host_refused": (1, "the host answered in clear with an error (its word only)"),
    "evidence_form": (5, "the evidence is malformed"),
    "evidence_unknown": (5, "the evidence is of a kind that this client cannot appraise"),
    "simulated_refused": (5, "the evidence is SIMULATED: it proves nothing, the policy refuses it"),
    "tee_not_allowed": (5, "the policy does not accept this kind of hardware"),
    "evidence_signature": (5, "the evidence is not genuine"),
    "tcb_refused": (5, "the platform's firmware is not good enough for the policy"),
    "milan_refused": (5, "AMD Milan's keys have been extracted; the policy does not name it"),
    "debug_refused": (5, "the host may read what runs: a debug launch"),
    "launch_not_allowed": (5, "what was launched is not in the policy"),
    "platform_not_allowed": (5, "the machine is not in the policy"),
    "statement_mismatch": (5, "the evidence is not about this key statement"),
    "evidence_nonce": (5, "the key statement does not hold this client's nonce"),
    "measurement_not_allowed": (5, "the core is not in the policy"),
    "evidence_not_yet_valid": (5, "the key statement is not valid yet"),
    "evidence_expired": (5, "the key statement has expired"),
    "evidence_too_old": (5, "the key statement is older than the policy's limit"),
    "domain_form": (5, "the domain statement is malformed"),
    "domain_signature": (5, "the domain statement is not signed by the attested identity"),
    "domain_mismatch": (5, "the domain statement is of another domain"),
    "domain_expired": (5, "the domain statement is outside its times"),
    "lease_form": (5, "a lease is malformed"),
    "lease_signature": (5, "a lease is not signed by the attested identity"),
    "lease_mismatch": (5, "a lease is for another domain or measurement"),
    "lease_expired": (5, "every lease is outside its times"),
    "lease_missing": (6, "no worker of the domain holds a lease"),
    "key_unknown": (6, "the host says that the core does not know the key, also after a new fetch"),
    "session_unknown": (6, "the host says that the core does not know the session"),
    "request_not_opened": (1, "the host says that the request did not open"),
    "replay_reported": (1, "the host says that the core has seen this request before"),
    "downgrade": (5, "the answer is not sealed"),
    "response_not_authentic": (5, "the answer does not open"),
    "response_truncated": (1, "the answer ends before its end"),
    "response_form": (1, "the answer opens but is malformed"),
    "response_too_large": (1, "the answer is larger than the caller's limit"),
    "date_refused": (1, "the core refuses the request's date, also after a correction"),
    "function_mismatch": (5, "another function than the one that was called"),
    "package_mismatch": (5, "the function has another package than was demanded"),
    "receipt_missing": (5, "the answer holds no receipt"),
    "receipt_form": (5, "the receipt is malformed"),
    "receipt_lease": (5, "the receipt's lease is not of the attested identity and domain"),
    "receipt_invalid": (5, "the receipt's signature does not cover its claims"),
    "receipt_mismatch": (5, "the receipt is about another request or response"),
    "receipt_duplicate": (5, "two different receipts have one number: a copied core"),
    "receipt_gap": (5, "numbers are missing between the receipts"),
}


class TfaasError(httpx.RequestError):
    """What went wrong: `code` is one of CODES. No text holds content of a call.

    It is an httpx.RequestError, so that code that uses httpx with tfaas.Transport catches it as it catches others.
    """

    def __init__(self, code: str, text: str = "", **details: object) -> None:
        super().__init__(text or CODES[code][1])
        self.code = code
        self.exit_code = CODES[code][0]
        #: of a verification that failed
        self.report = details.get("report")
        #: HTTP status of the host's own answer
        self.status = details.get("status")
        #: date_refused: seconds that the core's clock is ahead of ours
        self.offset_s = details.get("offset_s")

    def __str__(self) -> str:
        return f"{self.code}: {super().__str__()}"


class Malformed(ValueError):
    """Bytes that are not of the form they should have. Callers turn it into a TfaasError with the fitting code."""
