# gateway.py - a host that cheats: an HTTP server between a client and tfaasd. A hook gets every
# request and decides what becomes of it; what came from the client is kept, to look for clear text.
import contextlib
import http.client
import http.server
import socketserver
import threading

from lib import HANG


class Reply:
    """What the client gets. `raw`: these pieces instead of an HTTP answer; `pieces`: those of a body
    without a length; both end with the connection."""

    def __init__(self, status=200, type_='application/octet-stream', body=b'', fields=(),
                 raw=None, pieces=None):
        self.status, self.type, self.body, self.fields = status, type_, body, dict(fields)
        self.raw, self.pieces = raw, pieces

    def changed(self, body):
        return Reply(self.status, self.type, body, self.fields)


class Request:
    def __init__(self, method, path, fields, body):
        self.method, self.path, self.fields, self.body = method, path, fields, body

    @property
    def is_call(self):
        return self.method == 'POST'


def forward(port, request, path=None, body=None):
    """The request as tfaasd on `port` answers it."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=HANG)
    with contextlib.closing(connection):
        fields = {name: value for name, value in request.fields.items()
                  if name.lower() in ('content-type', 'if-none-match', 'accept')}
        connection.request(request.method, path or request.path,
                           request.body if body is None else body, fields)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders()
                if name.lower() in ('cache-control', 'etag')}
        return Reply(answer.status, answer.getheader('Content-Type') or '', answer.read(), kept)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def body(self):
        if self.headers.get('Transfer-Encoding') == 'chunked':
            whole = b''
            while size := int(self.rfile.readline(), 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole
        return self.rfile.read(int(self.headers.get('Content-Length') or 0))

    def handle_any(self):
        request = Request(self.command, self.path, dict(self.headers), self.body())
        self.server.gateway.keep(request)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.answer(self.server.gateway.decide(request))

    do_GET = do_POST = handle_any

    def answer(self, reply):
        self.close_connection = reply.raw is not None or reply.pieces is not None
        if reply.raw is not None:
            for piece in reply.raw:
                self.wfile.write(piece)
            return
        self.send_response_only(reply.status)
        self.send_header('Content-Type', reply.type)
        for name, value in reply.fields.items():
            self.send_header(name, value)
        if reply.pieces is None:
            self.send_header('Content-Length', str(len(reply.body)))
        self.end_headers()
        for piece in [reply.body] if reply.pieces is None else reply.pieces:
            self.wfile.write(piece)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that went away


class Gateway:
    """hook(request, forward) -> Reply; without one it is honest."""

    def __init__(self, port, hook=None):
        self.port, self.hook, self.seen, self.lock = port, hook, [], threading.Lock()
        self.server = Server(('127.0.0.1', 0), Handler)
        self.server.gateway = self
        self.url = f'http://127.0.0.1:{self.server.server_port}'
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def keep(self, request):
        with self.lock:
            self.seen.append(request)

    def decide(self, request):
        def go(**options):
            return forward(options.pop('port', self.port), request, **options)
        return self.hook(request, go) if self.hook else go()

    def clear(self, text):
        """Did the client ever send `text` so that the host could read it?"""
        return any(text in request.body or text.decode() in request.path
                   or any(text.decode() in value for value in request.fields.values())
                   for request in self.seen)
