# test_clients.py - clients that behave badly: slow, gone, silent, never reading, very many. The
# others must notice nothing.
import resource
import socket
import threading
import time

import wasm
from lib import HANG, tree

FINE = "module.exports = async () => 'fine';\n"


def connect(server, timeout=HANG):
    return socket.create_connection(('127.0.0.1', server.port), timeout=timeout)


def fine(t):
    if t.server.request('GET', '/system/function/clients-fine').status == 404:
        t.server.deploy_js('clients-fine', FINE)
    t.alive(t.server, 'clients-fine', b'', 'fine')


def cat(t):
    name = t.name('cat')
    t.server.deploy_files(name, {'function.wasm': wasm.CAT})
    return name


def test_slow_body(t):
    name = cat(t)
    with connect(t.server) as peer:
        peer.sendall(f'POST /function/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'
                     'Content-Length: 10\r\n\r\n'.encode())
        for byte in b'0123456789':
            peer.sendall(bytes([byte]))
            time.sleep(0.05)
            fine(t)
        text = b''
        while piece := peer.recv(65536):
            text += piece
    t.true(text.startswith(b'HTTP/1.1 200'), f'{text[:100]!r}')
    t.contains(text.decode(), '0123456789', 'answer')


def test_slow_head(t):
    with connect(t.server) as peer:
        for byte in b'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n':
            peer.sendall(bytes([byte]))
            time.sleep(0.005)
        t.true(peer.recv(65536).startswith(b'HTTP/1.1 200'), 'answer to a slow head')


def test_disconnect_at_every_stage(t):
    fine(t)
    name = cat(t)
    text = (f'POST /function/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n'.encode()
            + b'x' * 100000)
    for cut in (0, 1, 10, 40, len(text) - 100001, len(text) - 99999, len(text)):
        for reset in (False, True):
            peer = connect(t.server)
            peer.sendall(text[:cut])
            if reset:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
            peer.close()
        fine(t)


def test_disconnect_frees_the_place(t):
    """200 callers leave; what they started must not hold the core's places until the deadline."""
    fine(t)
    name = t.name('long')
    t.server.deploy_js(name, 'module.exports = () => new Promise(() => {});\n',
                       envVars={'exec_timeout': '300s'})
    peers = []
    for _ in range(200):
        peer = connect(t.server)
        peer.sendall(f'POST /function/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'
                     .encode())
        peers.append(peer)
    t.eventually(lambda: t.server.started(name) == 200, 'the calls begin')
    for peer in peers:
        peer.close()
    t.status(t.server.invoke('clients-fine'), 200)  # long before the deadline of the others


def test_reader_that_never_reads(t):
    """An answer nobody reads must not fill the daemon's memory or stop the others."""
    fine(t)
    name = t.name('writer')
    t.server.deploy_files(name, {'function.wasm': wasm.endless_writer(1)},
                          envVars={'exec_timeout': '5s'})
    before = resident_mib(t.server)
    peers = []
    for _ in range(8):
        peer = connect(t.server)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sendall(f'POST /function/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'
                     .encode())
        peers.append(peer)
    for _ in range(20):
        fine(t)
        time.sleep(0.05)
    grown = resident_mib(t.server) - before
    for peer in peers:
        peer.close()
    t.true(grown < 64, f'8 readers that never read cost {grown:.0f} MiB')


def resident_mib(server):
    total = 0
    for pid in tree(server.pid):
        try:
            with open(f'/proc/{pid}/statm', encoding='ascii') as file:
                fields = file.read().split()
                total += int(fields[1]) - int(fields[2])
        except OSError:
            continue
    return total * resource.getpagesize() / (1 << 20)


def test_expect_continue(t):
    name = cat(t)
    with connect(t.server) as peer:
        peer.sendall(f'POST /function/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n'
                     'Expect: 100-continue\r\nConnection: close\r\n\r\n'.encode())
        t.true(peer.recv(65536).startswith(b'HTTP/1.1 100'), '100 Continue')
        peer.sendall(b'ok')
        text = b''
        while piece := peer.recv(65536):
            text += piece
    t.contains(text.decode(), '200', 'status')


def test_ten_thousand_connections(t):
    """Idle connections by the thousand; what is over the limit is refused, and calls still work."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = 10000
    if hard != resource.RLIM_INFINITY and hard < want + 200:
        t.skip(f'the hard limit of open files is {hard}')
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, want + 200), hard))
    server = t.fresh(config={'max_connections_per_ip': '20000'})
    server.deploy_js('fine', FINE)
    first = connect(server)  # a caller that was there before the crowd
    peers, refused = [], 0
    try:
        while len(peers) < want and (len(peers) <= 1000 or not refused) and refused < 30:
            try:
                peers.append(connect(server, timeout=2))
            except OSError:
                refused += 1
            if len(peers) % 1000 == 0:  # and who is silent for long is no caller
                is_served(t, first)
        is_served(t, first)
        t.true(len(peers) > 1000, f'only {len(peers)} connections')
    finally:
        first.close()
        for peer in peers:
            peer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    t.eventually(lambda: answers(server), 'calls work after the crowd has left')


def is_served(t, peer):
    peer.sendall(b'POST /function/fine HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n')
    text = b''
    while not text.endswith(b'fine'):
        piece = peer.recv(65536)
        t.true(piece, f'the first caller is not served: {text!r}')
        text += piece
    t.true(text.startswith(b'HTTP/1.1 200'), f'the first caller: {text!r}')


def answers(server):
    try:
        return server.invoke('fine').status == 200
    except OSError:
        return False


def test_many_short_connections(t):
    fine(t)
    wrong = []

    def worker():
        for _ in range(50):
            if t.server.invoke('clients-fine').status != 200:
                wrong.append(1)

    threads = [threading.Thread(target=worker) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    t.equal(wrong, [], 'failed calls')
