"""What one client accepts, all accept: libtfaas, the Python and the JavaScript client over mutants.py's cases.
compare.py cases.json javascript.json. Prints what they differ in, and "N passed, N failed"."""
import collections
import ctypes
import json
import sys

from tfaas.errors import TfaasError
from tfaas.policy import read_policy
from tfaas.receipt import verify_receipt
from tfaas.verify import verify_bundle

POLICY = json.dumps({"version": 1, "cores": ["c0" * 48], "allow_simulated": True}).encode()
C = ctypes.CDLL("build/libtfaas.so")
C.tfaas_client_error_name.restype = ctypes.c_char_p
VERIFICATION_MAX, CLAIMS_MAX, FAILURE_MAX = 1 << 16, 4096, 1024  # more than their structs


def name_of(error):
    return C.tfaas_client_error_name(error).decode()


def in_c(case):
    bundle, receipt = case["bundle"].encode("utf-8", "surrogatepass"), case["receipt"].encode()
    report, failure = ctypes.create_string_buffer(VERIFICATION_MAX), ctypes.create_string_buffer(FAILURE_MAX)
    error = C.tfaas_bundle_verify(bundle, ctypes.c_size_t(len(bundle)), POLICY, b"openfaas-fn", None,
                                  ctypes.c_int64(case["now"]), report, failure)
    if error:
        return name_of(error), None
    claims = ctypes.create_string_buffer(CLAIMS_MAX)
    return "ok", "ok" if not (error := C.tfaas_receipt_verify(receipt, report, claims, failure)) else name_of(error)


def policy_in_c(text):
    out, failure = ctypes.c_char_p(), ctypes.create_string_buffer(FAILURE_MAX)
    error = C.tfaas_policy_explain(text.encode("utf-8", "surrogatepass"), ctypes.byref(out), failure)
    return name_of(error) if error else "ok"


def verdict(judge, *arguments):
    try:
        judge(*arguments)
    except TfaasError as error:
        return error.code
    return "ok"


def in_python(case):
    try:
        report = verify_bundle(case["bundle"].encode("utf-8", "surrogatepass"), POLICY, domain="openfaas-fn", at=case["now"])
    except TfaasError as error:
        return error.code, None
    if report.error:
        return report.error.code, None
    return "ok", verdict(verify_receipt, case["receipt"], report)


def main():
    mutants, javascript = (json.load(open(path)) for path in sys.argv[1:3])
    passed, differences, accepted = 0, [], collections.Counter()
    for case, js in zip(mutants["cases"], javascript["cases"], strict=True):
        said = [in_c(case), in_python(case)]
        if case["where"] != "bundle":  # a file of the other two
            said.append(tuple(js))
        good = all(len({one[part] == "ok" for one in said}) == 1 for part in (0, 1))
        passed += good
        accepted[said[0] == ("ok", "ok")] += 1
        if not good:
            differences.append((case["where"], said, json.dumps(case)[:2000]))
    for text, js in zip(mutants["policies"], javascript["policies"], strict=True):
        said = [policy_in_c(text), verdict(read_policy, text), js]
        good = len({one == "ok" for one in said}) == 1 or "\0" in text
        passed += good
        accepted[said[0] == "ok"] += 1
        if not good:
            differences.append(("policy", said, text[:2000]))
    for difference in differences[:20]:
        print("FAILED", *difference)
    if not accepted[True] or not accepted[False]:
        print("FAILED the cases are all good, or all bad:", dict(accepted))
        differences.append(None)
    print(f"{passed} passed, {len(differences)} failed")
    sys.exit(bool(differences))


main()
