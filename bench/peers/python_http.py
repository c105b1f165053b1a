# python_http.py - peer: python3's own HTTP server in a container. The same work as the other peers:
# {"name":"world"} in, {"hello":"world"} out.
import http.server
import json
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        size = int(self.headers.get('Content-Length', 0))
        try:
            status, answer = 200, {'hello': json.loads(self.rfile.read(size))['name']}
        except (ValueError, KeyError, TypeError):
            status, answer = 400, {'error': 'malformed JSON'}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
