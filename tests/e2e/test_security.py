# test_security.py - what somebody tries who is not the operator: web pages in the operator's browser,
# uploads that hold memory, callers who make a core fault and read what it says.
import socket
import threading

import lib

FINE = "module.exports = async (event, context) => context.status(200).succeed('fine');\n"
ENDLESS = 'module.exports = async () => { for (;;); };\n'
H2C_HEAD = 64  # in the window (include/tfaas/abi.h): how many messages tfaasd has sent
SYSTEM = (('GET', '/system/functions'), ('POST', '/system/functions'), ('POST', '/system/secrets'),
          ('DELETE', '/system/functions'), ('PUT', '/packages/evil:latest'), ('GET', '/system/info'))


def test_web_pages_of_others_are_refused(t):
    """Without credentials, only local programs may manage functions: not a page in a browser, nor one
    whose name was made to resolve to this machine."""
    server = t.server
    for method, path in SYSTEM:
        for headers in ({'Origin': 'http://evil.example'}, {'Origin': 'null'},
                        {'Host': 'evil.example'}, {'Host': f'evil.example:{server.port}'},
                        {'Host': '127.0.0.1.evil.example'}, {'Host': 'localhost.evil.example'},
                        {'Sec-Fetch-Site': 'cross-site'}):
            answer = server.request(method, path, b'{}', headers)
            t.error(answer, 403, 'basic_auth')
    own = f'http://127.0.0.1:{server.port}'
    for headers in ({}, {'Origin': own}, {'Host': f'localhost:{server.port}'}, {'Host': 'localhost'},
                    {'Host': f'[::1]:{server.port}'}, {'Host': '127.0.0.1'}):
        t.status(server.request('GET', '/system/functions', headers=headers), 200)
    server.deploy_js('open', FINE)  # functions themselves are for everybody
    answer = server.invoke('open', headers={'Origin': 'http://evil.example', 'Host': 'evil.example'})
    t.status(answer, 200)


def upload(port, size, held):
    connection = socket.create_connection(('127.0.0.1', port))
    connection.settimeout(lib.HANG)
    head = f'POST /build HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n'
    held.append(connection)
    try:
        connection.sendall(head.encode())
        connection.sendall(bytes(size - 1))
    except OSError:
        pass  # refused, which is what we want


def test_unsigned_uploads_leave_memory_for_calls(t):
    server = t.fresh()
    server.deploy_js('fine', FINE)
    held = []
    for _ in range(5):
        upload(server.port, 60 << 20, held)
    try:
        for _ in range(5):
            t.status(server.invoke('fine', bytes(40000)), 200)
    finally:
        for connection in held:
            connection.close()


def windows(server):
    """Where tfaasd has the windows that it shares with its cores."""
    with open(f'/proc/{server.pid}/maps', encoding='ascii', errors='replace') as maps:
        return {int(line.partition('-')[0], 16) for line in maps if 'memfd:tfaas-window' in line}


def test_a_fault_tells_callers_nothing_of_the_core(t):
    """A core's last words are for the operator: what they tell, addresses at times, would help the
    next attack. Here it says why it takes no message of a host that breaks the window."""
    server = t.fresh()
    before = windows(server)
    server.deploy_js('fine', FINE)
    server.deploy_js('endless', ENDLESS, envVars={'exec_timeout': '300s'})
    t.status(server.invoke('fine'), 200)
    (window,) = windows(server) - before
    answers = []
    thread = threading.Thread(target=lambda: answers.append(server.invoke('endless', timeout=300)))
    thread.start()
    t.eventually(lambda: server.started('endless') == 1, 'the call begins')
    last_words = 'the host published a malformed slot or ring index'
    with open(f'/proc/{server.pid}/mem', 'r+b', buffering=0) as memory:
        while thread.is_alive() and window in windows(server):
            memory.seek(window + H2C_HEAD)
            memory.write(b'\xff\xff\xff\x7f')
            thread.join(0.02)
    thread.join()
    t.error(answers[0], 502, 'core')
    t.contains(server.log_text(), last_words, 'what the operator reads')
    t.true(last_words not in answers[0].text, f'{answers[0]}')


def test_no_core_dump_of_the_daemon(t):
    """It holds the key that secrets are kept under, and every payload."""
    with open(f'/proc/{t.server.pid}/limits', encoding='ascii') as limits:
        line = next(line for line in limits if line.startswith('Max core file size'))
    t.equal(line.split()[4:6], ['0', '0'], 'limit of core dumps')
