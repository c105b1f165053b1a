// node_http.mjs - peer: plain node http, one process, no isolation between requests.
// It must do the same work as the other peers: {"name":"world"} in, {"hello":"world"} out.
import { createServer } from 'node:http';

const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (piece) => (body += piece));
    request.on('end', () => {
        let name;
        try {
            name = JSON.parse(body).name;
        } catch {
            response.writeHead(400).end('malformed JSON\n');
            return;
        }
        const answer = JSON.stringify({ hello: name });
        response.writeHead(200, {
            'Content-Type': 'application/json',
            'Content-Length': Buffer.byteLength(answer),
        });
        response.end(answer);
    });
});
server.keepAliveTimeout = 60000;
server.listen(Number(process.argv[2]), '127.0.0.1');
