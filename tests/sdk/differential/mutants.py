"""Evidence, domain statements, leases, receipts and policies that are right, but for one thing; signed anew after the
change, so that it is not the signature that refuses them. mutants.py SEED COUNT > cases.json"""
import hashlib
import json
import random
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tfaas.wire import base64url

NOW = 1800000000
MEASUREMENT, WEIGHTS, INSTANCE = b"\xc0" * 48, b"\x3e" * 32, b"\x11" * 16
NUMBERS = [0, 1, 23, 24, 255, 256, 65535, 65536, NOW, NOW - 120, NOW - 121, NOW + 120, NOW + 121, NOW - 4200, NOW - 4201,
           NOW + 600, 2**31, 2**32, 2**53 - 1, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 253402300800]
TEXTS = ["", "a", "openfaas-fn", "Openfaas-fn", "openfaas-fn\0", "x" * 63, "x" * 64, "x" * 128, "é" * 31, "é" * 32,
         "\ufeffopenfaas-fn", "openfaas-fn\n", "\ud800", "\U0001f600"]
MEMBERS = [',"endorsements":null', ',"endorsements":["a","YQ",2]', ',"endorsements":["a","",2]', ',"x":NaN', ',"x":-0',
           ',"x":"\\ud800"', ',"x":"\\u0000"', ',"\\u0000":1', ',"x":99999999999999999999', ',"x":1,"x":2', ',"x":[1,]',
           ',"x":1,"\\u0078":2', ',"__proto__":{"x":1}', ',"x":{"__proto__":1,"__proto__":2}', ',"x":"\x01"', ',']
FOURS = ["4.0", "4e0", "40e-1", "04", '"4"', "4,4", "5", "true", "2", "null", "-4", "18446744073709551620"]
R = random.Random(int(sys.argv[1]))


class Raw(bytes):
    """CBOR as it is."""


def head(major, value, info=0):
    if not info:
        info = value if value < 24 else next(i for i, bits in ((24, 8), (25, 16), (26, 32), (27, 64)) if value < 1 << bits)
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    return bytes([major << 5 | info]) + (value % (1 << 8 * size)).to_bytes(size, "big")


def encode(value):
    """As cbor.encode, but it writes what must not be: keys twice or out of order, lone surrogates, Raw."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, (bytes, str)):
        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        return head(3 if isinstance(value, str) else 2, len(data)) + data
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    pairs = list(value.items()) if isinstance(value, dict) else value
    return head(5, len(pairs)) + b"".join(encode(key) + encode(item) for key, item in pairs)


class Key:
    def __init__(self, name):
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name).digest())
        self.public, self.sign = self._key.public_key().public_bytes_raw(), self._key.sign


ROOT, IDENTITY, RECEIPT = Key(b"root"), Key(b"identity"), Key(b"receipt")
REQUEST = X25519PrivateKey.from_private_bytes(b"\7" * 32).public_key().public_bytes_raw()


# --- changes ---

def in_bytes(data):
    if not data:
        return b"\0"
    data, at = bytearray(data), R.randrange(len(data))
    kind = R.randrange(6)
    if kind < 2:
        data[at] ^= 1 << R.randrange(8)
    elif kind == 2:
        del data[at]
    elif kind == 3:
        data.insert(at, R.randrange(256))
    else:
        data = data[:at] if kind == 4 else data + bytes([R.randrange(256)])
    return bytes(data)


def in_value(value):
    longer = R.choice([24, 25, 26, 27])
    if isinstance(value, bool):
        return R.choice([not value, 0, 1, "true", b""])
    if isinstance(value, int):
        return R.choice([*R.choices(NUMBERS, k=8), value + 1, Raw(head(0, value, longer)), True, "1", b"\1", [value],
                         {1: value}, Raw(head(1, 5)), Raw(b"\xf6"), Raw(b"\xfb" + bytes(8)), Raw(b"\xc1" + encode(value))])
    if isinstance(value, bytes):
        size = len(value)
        return R.choice([in_bytes(value), value[:-1], value + b"\0", b"", bytes(size), value * 2, "x" * size, size, [value],
                         Raw(head(2, size, longer) + value), Raw(b"\x5f" + head(2, size) + value + b"\xff")])
    if isinstance(value, str):
        bad = [b"\xff\xfe\xfd", b"\xed\xa0\x80", b"\xc0\x80a", b"\xf5\x80\x80", b"\xef\xbb\xbf"]
        return R.choice([*R.choices(TEXTS, k=6), value + "\0", value + " ", Raw(head(3, len(value), 24) + value.encode()),
                         Raw(head(3, 3) + R.choice(bad)), value.encode(), 1, True, [value]])
    return R.choice([[], value + value, value * R.choice([63, 64, 65]), [in_value(b"x"), *value], {1: value}, b"", 1, "x"])


def in_map(fields):
    fields, kind = dict(fields), R.randrange(10)
    key = R.choice(list(fields))
    if kind < 6:
        fields[key] = in_value(fields[key])
    elif kind == 6:
        del fields[key]
    elif kind == 7:
        fields[R.choice([0, len(fields) + 1, 99, 24, 13, "x", True])] = R.choice([1, b"x", "x", b"x" * 16])
    pairs = list(fields.items())
    if kind == 8:
        pairs.append(R.choice(pairs))
    if kind == 9:
        at = R.randrange(len(pairs) - 1)
        pairs[at], pairs[at + 1] = pairs[at + 1], pairs[at]
    return tuple(pairs)


def in_json(text):
    at, kind = R.randrange(len(text)), R.randrange(9)
    if kind == 0:
        return text.replace(",", R.choice([" ,", ",\t", ",\x0b", ",\u00a0"]), 1)
    if kind == 1:
        return text.replace(",4]", f",{R.choice(FOURS)}]", R.choice([1, 2]))
    if kind == 2:
        return R.choice(["\ufeff" + text, text + " ", text + "\n", text + "x", text + "{}", text + text, f"[{text}]"])
    if kind == 3:
        return text[:at] + R.choice(["\\u0041", '"', " ", "\\", "=", "+", "/", "-", "_", "\x7f", "}"]) + text[at:]
    if kind == 4:
        return text[:at] + text[at + 1:]
    if kind == 5:
        return text[:-1] + R.choice(MEMBERS) + "}"
    if kind == 6:
        return text.replace(R.choice(["simulated", "statement", "evidence", "2026", "vnd"]), R.choice(["x", "", "A" * 80]), 1)
    if kind == 7:
        return text[:at] + chr(ord(text[at]) ^ (1 << R.randrange(7))) + text[at + 1:]
    return R.choice(["[]", "null", "1", '""', "{}"])


# --- one case: `where` names what is changed ---

WHERE = ["none", "key statement", "key statement bytes", "simulated", "simulated bytes", "lease", "lease bytes", "lease envelope",
         "configuration", "domain", "domain bytes", "domain envelope", "collection", "bundle", "nonce", "time", "claims",
         "claims text", "payload", "jws", "receipt", "receipt bytes", "receipt text", "no lease"]


class Case:
    def __init__(self, where):
        self.where, self.now = where, NOW
        nonce = b"n" * 16 if R.random() < .2 or where == "nonce" else None
        statement = self.bytes("key statement", {
            1: "tfaas-key-v1", 2: IDENTITY.public, 3: 1, 4: NOW - 100, 5: NOW + 4100, 6: "0.1.0", 7: WEIGHTS,
            8: MEASUREMENT, 9: 3600, 10: 600, 11: 120, 12: 1 << 20, **({13: nonce} if nonce else {})})
        simulated = encode(self.map("simulated", {
            1: "tfaas-simulated-v1", 2: MEASUREMENT, 3: hashlib.sha512(b"tfaas-key-v1" + statement).digest(), 4: NOW - 100,
            5: ROOT.public}))
        count = simulated[0] & 31
        simulated = bytes([0xa0 | count + 1]) + simulated[1:] + encode(6) + encode(ROOT.sign(simulated))
        if where == "simulated bytes":
            simulated = in_bytes(simulated)
        self.lease = self.envelope("lease envelope", self.bytes("lease", {
            1: "tfaas-lease-v1", 2: "openfaas-fn", 3: INSTANCE, 4: 1, 5: NOW - 50, 6: NOW + 550, 7: self.configuration(),
            8: RECEIPT.public, 9: MEASUREMENT, 10: 1 << 20}))
        domain = self.envelope("domain envelope", self.bytes("domain", {
            1: "tfaas-domain-v1", 2: "openfaas-fn", 3: NOW, 4: NOW - 10, 5: NOW + 590, 6: REQUEST,
            7: [] if where == "no lease" else [self.lease]}))
        self.collection = ('{"__cmwc_t":"tag:tfaas,2026:evidence",'
                           f'"evidence":["application/vnd.tfaas.simulated+cbor","{base64url(simulated)}",4],'
                           f'"key-statement":["application/vnd.tfaas.key-statement+cbor","{base64url(statement)}",4]}}')
        if where == "collection":
            self.collection = in_json(self.collection)
        if where == "nonce":
            nonce = R.choice([in_bytes(nonce), b"z" * 16])
        if where == "time":
            self.now += R.choice([-220, -221, -170, -171, -130, -131, 670, 671, 710, 711, 4100, 4220, 4221, -10**6, 10**9])
        self.domain, self.nonce = base64url(domain), base64url(nonce) if nonce else None
        extra = f',"nonce":"{self.nonce}"' if nonce else ""
        self.bundle = (f'{{"type":"tag:tfaas,2026:bundle","fetched_at":{self.now},"evidence":{self.collection},'
                       f'"domain":"{self.domain}"{extra}}}')
        if where == "bundle":
            self.bundle = in_json(self.bundle)
        self.receipt = self.make_receipt()

    def map(self, name, fields):
        return in_map(fields) if self.where == name else fields

    def bytes(self, name, fields):
        data = encode(self.map(name, fields))
        return in_bytes(data) if self.where == f"{name} bytes" else data

    def envelope(self, name, statement):
        parts = [statement, IDENTITY.sign(statement)]
        if self.where != name:
            return encode(parts)
        at = R.randrange(2)
        parts[at] = in_value(parts[at])
        return R.choice([encode(parts), in_bytes(encode([statement, IDENTITY.sign(statement)]))])

    def configuration(self):
        start, key, both = b"\5\0\x20", REQUEST, b"\0\1\0\2\0\1\0\3"
        if self.where == "configuration":
            key = R.choice([REQUEST, REQUEST, REQUEST, bytes(32), b"\1" + bytes(31)])
            both = R.choice([b"", b"\0\1\0\1", b"\0\2\0\3", b"\0\1\0\2\0\1\0\2", b"\0\1\0\3", b"\0\1\0\3\0", both * 4])
        data = start + key + len(both).to_bytes(2, "big") + both
        return in_bytes(data) if self.where == "configuration" and R.random() < .3 else data

    def claims(self):
        fields = {
            "iss": INSTANCE.hex(), "seq": 1, "iat": NOW, "fn": "hello.openfaas-fn", "pkg": "ab" * 32,
            "req": base64url(b"r" * 32), "res": base64url(b"s" * 32), "status": 200, "outcome": "OK", "work": 5,
            "exact": True, "mem": 65536, "cpu_ns": 1000, "weights": WEIGHTS.hex()}
        if self.where == "claims":
            key = R.choice(list(fields))
            value = fields[key]
            if isinstance(value, bool):
                fields[key] = R.choice([False, 0, 1, "true", None])
            elif isinstance(value, int):  # what a double does not hold is refused in JavaScript only: claims are numbers there
                fields[key] = R.choice([*(one for one in NUMBERS if one < 2**53), -1, 1.0, 1.5, True, "1", None, 2**64])
            else:
                fields[key] = R.choice([value.upper(), value[:-1], value + "0", "", None, 1, value + "\0", "x" * 31, "x" * 32,
                                        "x" * 255, "x" * 256, "é" * 127 + "a", "é" * 128, "\ud800", value + "="])
            if R.random() < .1:
                del fields[key]
        text = json.dumps(fields, separators=(",", ":"))
        if self.where == "claims text":
            number = R.choice(['"seq":1', f'"iat":{NOW}', '"work":5'])
            text = R.choice([in_json(text), text.replace(number, number + R.choice([".0", "e0", "E+0", ',"seq":1']))])
        return text.encode("utf-8", "surrogatepass")

    def make_receipt(self):
        claims, count = self.claims(), R.choice([1, 2, 3, 5, 64])
        at = index = R.randrange(count)
        level = [hashlib.sha256(bytes([i])).digest() for i in range(count)]
        level[index] = hashlib.sha256(b"\0" + claims).digest()
        path = []
        while len(level) > 1:
            if at ^ 1 < len(level):
                path.append(level[at ^ 1])
            odd = level[-1:] if len(level) % 2 else []
            level = [hashlib.sha256(b"\1" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)] + odd
            at //= 2
        payload = f'{{"count":{count},"root":"{base64url(level[0])}"}}'
        if self.where == "payload":
            counts = ["0", "65", "1000", f"0{count}", f"{count}.0", *"1235", "64"]
            payload = R.choice([payload.replace(":", ": ", 1), payload + " ", in_json(payload),
                                payload.replace(f":{count}", f":{R.choice(counts)}", 1)])
        signed = ".".join(base64url(part.encode("utf-8", "surrogatepass"))
                          for part in ('{"alg":"EdDSA","typ":"tfaas-receipt+jws"}', payload))
        jws = f"{signed}.{base64url(RECEIPT.sign(signed.encode()))}"
        if self.where == "jws":
            jws = R.choice([in_bytes(jws.encode()).decode("latin-1"), jws + "=", jws + ".", jws.replace(".", "..", 1), "." + jws])
        text = base64url(self.bytes("receipt", {
            1: "tfaas-receipt-v1", 2: claims, 3: index, 4: path, 5: jws, 6: self.lease}))
        if self.where == "receipt text":
            at = R.randrange(len(text))
            text = R.choice([text + "=", text + "\n", " " + text, text + "A", text[:-1], f"{text[:at]}+{text[at + 1:]}",
                             f"{text[:at]}\n{text[at:]}", text[:-1] + chr(ord(text[-1]) ^ 1), text + "é", "", text + "A" * 4000])
        return text


# --- policies ---

POLICY = {
    "version": 1, "cores": ["c0" * 48], "allow_simulated": True, "platforms": ["ab" * 16], "maximum_age_s": 4200,
    "intel_tcb": {"statuses": ["UpToDate", "SWHardeningNeeded"], "advisories": ["INTEL-SA-00615"]},
    "sgx": {"enclaves": ["11" * 32]},
    "tdx": {"domains": [{"mrtd": "22" * 48, "rtmrs": ["33" * 48, None, None, "44" * 48]}]},
    "snp": {"launches": ["55" * 48], "minimum_tcb": {
        "Genoa": {"boot_loader": 1, "tee": 2, "snp": 3, "microcode": 4},
        "Turin": {"fmc": 1, "boot_loader": 1, "tee": 2, "snp": 3, "microcode": 255}}}}
VALUES = [None, True, False, 0, 1, 2, -1, 255, 256, 1.0, 1.5, "", "x", [], {}, "Revoked", "OutOfDate", "revoked", "x" * 31,
          "x" * 32, "é" * 15, "é" * 16, "c0" * 48, "C0" * 48, "c0" * 47, "c0" * 7, "c0" * 8, "c0" * 64, "c0" * 65, "c0" * 8 + "0",
          10 * 366 * 86400, 10 * 366 * 86400 + 1, 2**63, 1e3, [None], ["c0" * 48] * 64, ["c0" * 48] * 65, ["ab" * 16] * 65,
          ["UpToDate"] * 64, ["UpToDate"] * 65, ["a"] * 65, [[]], [{}], "c0" * 47 + "c\n"]


def places(value):
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def policy():
    root = json.loads(json.dumps(POLICY))
    holder, key = R.choice(list(places(root)))
    kind, value = R.randrange(5), json.loads(json.dumps(R.choice(VALUES)))
    if kind < 3:
        holder[key] = value
    elif kind == 3:
        del holder[key]
    elif isinstance(holder, dict):
        holder[R.choice(["x", "__proto__", "fmc", "Milan", "Version", "constructor", ""])] = value
    else:
        holder.append(value)
    text = json.dumps(root, ensure_ascii=R.random() < .5)
    return in_json(text) if R.random() < .2 else text


def main():
    count = int(sys.argv[2])
    cases = [vars(Case(WHERE[i % len(WHERE)])) for i in range(count)]
    json.dump({"cases": [{**case, "lease": None} for case in cases], "policies": [policy() for _ in range(count)]}, sys.stdout)


main()
