"""A keeper and a worker for tests, with a software root: the server's side of SPECIFICATION.md section 14, in so far as
a client can see it. `faults` make it lie."""
import email.utils
import hashlib
import json
import secrets
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tfaas import bhttp, cbor
from tfaas.crypto import Aead, NotAuthentic, Receiver, counter_nonce, hkdf_expand, hkdf_extract, public_key, sha256
from tfaas.statement import key_statement_digest
from tfaas.wire import Cursor, base64url, unbase64url, varint, vector

AES_256_GCM, CHACHA20_POLY1305 = 2, 3
PROBLEMS = "https://iana.org/assignments/http-problem-types#"
LABELS = {"message/ohttp-req": b"message/bhttp ", "message/ohttp-chunked-req": b"message/bhttp chunked "}


class Signer:
    def __init__(self):
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, data):
        return self._key.sign(data)

    def envelope(self, statement):
        return cbor.encode([statement, self.sign(statement)])


class Refused(Exception):
    def __init__(self, status, kind="about:blank"):
        super().__init__(kind)
        self.status, self.kind = status, kind


def numbered(fields):
    """A CBOR map without the keys whose value is None."""
    return cbor.encode({key: value for key, value in fields.items() if value is not None})


def echo(request, body):
    return 200, [(b"content-type", b"text/plain")], body


class Core:
    def __init__(self, **options):
        self.domain, self.faults, self.calls, self.paths = "openfaas-fn", {}, [], []
        self.seen, self.sessions, self.sequence, self.key_id = set(), {}, 0, 7
        self.aeads, self.now = (AES_256_GCM, CHACHA20_POLY1305), int(time.time())
        self.measurement, self.weights, self.instance = (secrets.token_bytes(n) for n in (48, 32, 16))
        self.package = secrets.token_hex(32)
        self.handler, self.on_post, self.cache_control = echo, None, None
        self.root, self.identity, self.receipt_key = Signer(), Signer(), Signer()
        self.request_secret, self.sealing_secret = secrets.token_bytes(32), secrets.token_bytes(32)
        self.__dict__.update(options)

    @property
    def policy(self):
        return {"version": 1, "cores": [self.measurement.hex()], "allow_simulated": True}

    # --- statements ---

    def key_statement(self, nonce):
        return numbered({
            1: "tfaas-key-v1", 2: self.identity.public, 3: 1, 4: self.now - 10, 5: self.now + 4190, 6: "test",
            7: self.weights, 8: self.measurement, 9: 3600, 10: 600, 11: 120, 12: 1 << 20, 13: nonce,
            **self.faults.get("key_statement", {})})

    def simulated(self, report_data):
        fields = {1: "tfaas-simulated-v1", 2: self.measurement, 3: report_data, 4: self.now, 5: self.root.public,
                  **self.faults.get("simulated", {})}
        return cbor.encode({**fields, 6: self.root.sign(cbor.encode(fields)),
                           **self.faults.get("simulated_signed", {})})

    def evidence(self, nonce=None):
        statement = self.key_statement(self.faults.get("nonce", nonce))
        return json.dumps({
            "__cmwc_t": "tag:tfaas,2026:evidence",
            "evidence": ["application/vnd.tfaas.simulated+cbor",
                         base64url(self.simulated(key_statement_digest(statement))), 4],
            "key-statement": ["application/vnd.tfaas.key-statement+cbor", base64url(statement), 4],
            **self.faults.get("collection", {})})

    def lease(self):
        suites = b"".join(b"\0\1" + aead.to_bytes(2, "big") for aead in self.aeads)
        config = (bytes([self.key_id]) + b"\0\x20" + public_key(self.request_secret) + len(suites).to_bytes(2, "big") +
                  suites)
        return self.faults.get("lease_signer", self.identity).envelope(numbered({
            1: "tfaas-lease-v1", 2: self.domain, 3: self.instance, 4: 1, 5: self.now - 10, 6: self.now + 590, 7: config,
            8: self.receipt_key.public, 9: self.measurement, 10: 1 << 20, **self.faults.get("lease", {})}))

    def domain_statement(self):
        return self.faults.get("domain_signer", self.identity).envelope(numbered({
            1: "tfaas-domain-v1", 2: self.domain, 3: 1, 4: self.now - 10, 5: self.now + 590,
            6: public_key(self.sealing_secret), 7: [self.lease()], **self.faults.get("domain", {})}))

    # --- opening and sealing ---

    def open(self, kind, body):
        """(plaintext, HPKE context or None, function that seals the pieces of a response)"""
        if kind == "application/vnd.tfaas.session-req":
            return self._open_session(body)
        if body[0] != self.key_id or self.faults.get("key_unknown"):
            raise Refused(400, PROBLEMS + "ohttp-key")
        header, enc, sealed = body[:7], body[7:39], body[39:]
        self._once(enc)
        label, aead = LABELS[kind], int.from_bytes(header[5:7], "big")
        context = Receiver(aead, self.request_secret, enc, label + b"request\0" + header)
        chunked = kind == "message/ohttp-chunked-req"
        plain = open_chunks(sealed, context.open) if chunked else context.open(sealed)

        def respond(pieces):
            nonce = secrets.token_bytes(32)
            prk = hkdf_extract(enc + nonce, context.export(label + b"response", 32))
            cipher, base = Aead(aead, hkdf_expand(prk, b"key", 32)), hkdf_expand(prk, b"nonce", 12)
            if not chunked:
                return [nonce, cipher.seal(base, b"", b"".join(pieces))]
            return [nonce, *seal_chunks(cipher, base, pieces)]
        return plain, context, respond

    def _once(self, what):
        if what in self.seen:
            raise Refused(409)
        self.seen.add(what)

    def _open_session(self, body):
        head = body[:40]
        secret, aead = self.sessions.get(head[:16]) or self._no_session()
        self._once(head[:24])
        cipher = Aead(aead, hkdf_expand(secret, b"tfaas session request" + head, 32))
        count = iter(range(1 << 30))
        plain = open_chunks(body[40:], lambda sealed, aad: cipher.open(
            counter_nonce(bytes(12), next(count)), aad, sealed))

        def respond(pieces):
            nonce = secrets.token_bytes(16)
            key = hkdf_expand(secret, b"tfaas session response" + head + nonce, 32)
            return [nonce, *seal_chunks(Aead(aead, key), bytes(12), pieces)]
        return plain, None, respond

    def _no_session(self):
        raise Refused(400, "tag:tfaas,2026:session-unknown")

    # --- one call ---

    def serve(self, plain, context, name):
        """The pieces of the response."""
        request, body = read_request(plain)
        field = dict(request.fields).get
        self.calls.append((request, body))
        clock = self.faults.get("clock", self.now)
        if abs(email.utils.parsedate_to_datetime(field(b"date").decode()).timestamp() - clock) > 120:
            return self.problem(400, PROBLEMS + "date", clock)
        wanted = field(b"tfaas-package")
        if wanted and wanted != b"sha256:" + self.package.encode() and not self.faults.get("ignore_package"):
            return self.problem(412, "tag:tfaas,2026:package-mismatch", clock)
        if "misdirected" in self.faults:
            return self.problem(421, "tag:tfaas,2026:misdirected", clock)
        status, fields, content = self.handler(request, body)
        own = [(b"tfaas-package", b"sha256:" + self.package.encode())]
        if field(b"tfaas-session") and context and not self.faults.get("no_session"):
            number = bytes([self.key_id]) + secrets.token_bytes(15)
            self.sessions[number] = context.export(b"tfaas session", 32), context.aead
            own.append((b"tfaas-session", base64url(number).encode() + b";max-age=3600"))
        trailers = []
        if field(b"tfaas-receipt") and not self.faults.get("no_receipt"):
            trailers = [(b"tfaas-receipt", self.receipt(request, body, status, fields, content, name).encode())]
        return response_pieces(status, fields + own, content, trailers)

    def problem(self, status, kind, clock):
        date = email.utils.formatdate(clock, usegmt=True).encode()
        return response_pieces(status, [(b"content-type", b"application/problem+json"), (b"date", date)],
                               json.dumps({"type": kind, "status": status}).encode(), [])

    def receipt(self, request, body, status, fields, content, name):
        self.sequence += 1
        claims = json.dumps({name: value for name, value in {
            "iss": self.instance.hex(), "seq": self.sequence, "iat": self.now,
            "fn": name if "." in name else f"{name}.{self.domain}", "pkg": self.package,
            "req": base64url(sha256(request.hashed_head(), body)),
            "res": base64url(sha256(bhttp.hashed_response_head(status, fields), content)), "status": status,
            "outcome": "OK", "work": 1, "exact": True, "mem": 2, "cpu_ns": 3, "weights": self.weights.hex(),
            **self.faults.get("claims", {})}.items() if value is not None}, separators=(",", ":")).encode()
        # leaves 0 and 1 of three; ours is 2
        left = sha256(b"\1", sha256(b"\0", b"a"), sha256(b"\0", b"b"))
        root = sha256(b"\1", left, sha256(b"\0", self.faults.get("other_claims", claims)))
        signed = ".".join(base64url(part) for part in (b'{"alg":"EdDSA","typ":"tfaas-receipt+jws"}',
                                                       b'{"count":3,"root":"%s"}' % base64url(root).encode()))
        signature = self.faults.get("receipt_signer", self.receipt_key).sign(signed.encode())
        return base64url(numbered({1: "tfaas-receipt-v1", 2: claims, 3: 2, 4: [left, *self.faults.get("more_path", [])],
                                   5: f"{signed}.{base64url(signature)}", 6: self.lease(),
                                   **self.faults.get("receipt", {})}))

    # --- HTTP ---

    def http(self, method, url, headers, body):
        """(status, media type, pieces)"""
        parts = urllib.parse.urlsplit(url)
        query = dict(urllib.parse.parse_qsl(parts.query))
        self.paths.append(parts.path + ("?" + parts.query if parts.query else ""))
        if parts.path == "/.well-known/tfaas/evidence":
            nonce = unbase64url(query["nonce"]) if "nonce" in query else None
            return 200, "application/vnd.tfaas.evidence+json", [self.evidence(nonce).encode()]
        if parts.path == "/.well-known/tfaas/domain":
            return 200, "application/vnd.tfaas.domain+cbor", [self.domain_statement()]
        if method != "POST":
            return 404, "text/plain", [b"no such page"]
        if self.on_post:
            answer = self.on_post(headers, body)
            if answer is not None:
                return answer
        return self._sealed(parts.path, headers.get("content-type"), body)

    def _sealed(self, path, kind, body):
        if kind not in LABELS and kind != "application/vnd.tfaas.session-req":
            return 426, "text/plain", [b"encapsulation is required"]
        try:
            plain, context, respond = self.open(kind, body)
        except Refused as error:
            return error.status, "application/problem+json", [json.dumps({"type": error.kind}).encode()]
        except NotAuthentic:
            return 400, "application/problem+json", [b"{}"]
        name = path.removeprefix("/function/") if path.startswith("/function/") else "any"
        pieces = respond(self.serve(plain, context, name))
        return 200, kind[:-3] + "res", self.faults.get("pieces", list)(pieces)

    @property
    def transport(self):
        """Without sockets; for sync and async clients."""
        def handle(request):
            status, kind, pieces = self.http(request.method, str(request.url), request.headers, request.content)
            headers = {"content-type": kind}
            if self.cache_control:
                headers["cache-control"] = self.cache_control
            return httpx.Response(status, headers=headers, stream=Pieces(pieces))
        return httpx.MockTransport(handle)

    def listen(self):
        return Server(self)


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, pieces):
        self._pieces = pieces

    def __iter__(self):
        yield from self._pieces

    async def __aiter__(self):
        for piece in self._pieces:
            yield piece


class Server:
    """The core behind a socket."""

    def __init__(self, core):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def body(self):
                if self.headers.get("transfer-encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length", 0)))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def do(self):
                status, kind, pieces = core.http(self.command, self.path, self.headers, self.body())
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for piece in pieces:
                    if piece is None:  # the connection breaks
                        self.close_connection = True
                        return
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")
            do_GET = do_POST = do

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def open_chunks(data, open_one):
    c, parts = Cursor(data), []
    while True:
        size = c.varint()
        parts.append(open_one(c.take(size) if size else c.rest(), b"" if size else b"final"))
        if not size:
            return b"".join(parts)


def seal_chunks(cipher, base, pieces):
    count, out = 0, []
    for piece in pieces:
        for at in range(0, len(piece), 16384):
            sealed = cipher.seal(counter_nonce(base, count), b"", piece[at:at + 16384])
            out.append(varint(len(sealed)) + sealed)
            count += 1
    return [*out, varint(0) + cipher.seal(counter_nonce(base, count), b"final", b"")]


def read_request(plain):
    """Both framings."""
    c = Cursor(plain)
    stream = c.varint() == 2
    request = bhttp.Request(*(c.vector() for _ in range(4)))
    if not stream:
        fields, content = Cursor(c.vector()), None
        while fields.left:
            request.fields.append((fields.vector(), fields.vector()))
        return request, c.vector() if c.left else b""
    while name := c.vector():
        request.fields.append((name, c.vector()))
    content = []
    while part := c.vector():
        content.append(part)
    return request, b"".join(content)


def response_pieces(status, fields, content, trailers):
    lines = lambda pairs: b"".join(vector(name) + vector(value) for name, value in pairs)
    pieces = [varint(3) + varint(status) + lines(fields) + varint(0)]
    pieces += [vector(content[at:at + 10000]) for at in range(0, len(content), 10000)]
    return [*pieces, varint(0) + lines(trailers) + varint(0)]


def digest(data):
    return hashlib.sha256(data).hexdigest()
