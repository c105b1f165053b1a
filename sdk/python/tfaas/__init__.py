"""Calls functions of TFaaS so that nobody between the caller and the attested core can read or change the call
(SPECIFICATION.md section 14). README.md has an example."""
from .answer import Info
from .client import AsyncClient, AsyncTransport, Client, Transport, info_of
from .errors import CODES, TfaasError
from .evidence import Appraisal, Evidence, appraise
from .message import Options
from .policy import Policy, read_policy
from .receipt import Claims, check_sequences, verify_receipt
from .sealed import generate_log_key, open_log_line
from .verify import Check, Report, verify_bundle

__version__ = "0.1.0"
__all__ = ["Appraisal", "AsyncClient", "AsyncTransport", "CODES", "Check", "Claims", "Client", "Evidence", "Info",
           "Options", "Policy", "Report", "TfaasError", "Transport", "appraise", "check_sequences", "generate_log_key",
           "info_of", "open_log_line", "read_policy", "verify_bundle", "verify_receipt"]
