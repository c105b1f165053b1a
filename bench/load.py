# load.py - one cell of the bench: wrk against one server for some seconds, with the CPU time of the
# server's whole process tree around it. A cell with any error is invalid and says why.
import json
import pathlib
import subprocess

from lib import NAMESPACE, Problem, request
from measure import cpu_seconds

SCRIPT = pathlib.Path(__file__).with_name('hello.lua')
BODY = b'{"name":"world"}'
HELLO = {'hello': 'world'}
CONNECTIONS = (1, 32)


class Target:
    """One function of a running tfaasd, seen as a server like the peers."""

    def __init__(self, name, server, function):
        self.name, self.port, self.pid = name, server.port, server.pid
        self.path, self.expected = f'/function/{function}.{NAMESPACE}', HELLO


def check_answer(server):
    """One call whose answer must be exactly the expected JSON; raises Problem if it is not."""
    answer = request(server.port, 'POST', server.path, BODY, {'Content-Type': 'application/json'})
    if answer.status != 200 or json.loads(answer.body) != server.expected:
        raise Problem(f'{server.name} answers {answer}')


def run_cell(server, connections, seconds):
    """{'rps', 'cpu_us', 'p50_us', 'p99_us'} or {'invalid': why}."""
    try:
        check_answer(server)
    except (Problem, OSError, ValueError) as error:
        return {'invalid': str(error)}
    command = ['wrk', '-t1', f'-c{connections}', f'-d{seconds}s', '--timeout', '10s', '-s',
               str(SCRIPT), f'http://127.0.0.1:{server.port}{server.path}']
    before = cpu_seconds(server.pid)
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    spent = cpu_seconds(server.pid) - before
    lines = [line for line in done.stdout.splitlines() if line.startswith('{')]
    if done.returncode != 0 or len(lines) != 1:
        return {'invalid': f'wrk failed: {done.stderr.strip() or done.stdout.strip()}'}
    seen = json.loads(lines[0])
    if seen['status_errors'] or seen['io_errors'] or not seen['requests']:
        return {'invalid': f"{seen['status_errors']} error answers, {seen['io_errors']} broken "
                           f"connections or timeouts in {seen['requests']} requests"}
    return {'rps': seen['requests'] / (seen['duration_us'] / 1e6),
            'cpu_us': spent * 1e6 / seen['requests'],
            'p50_us': seen['p50_us'], 'p99_us': seen['p99_us']}


def measure_cells(servers, size, say):
    """{(name, connections): [cell, ...]}; the order of the servers turns with every round."""
    cells = {}
    for repeat in range(size['repeats']):
        for connections in CONNECTIONS:
            turn = repeat % len(servers)
            for server in servers[turn:] + servers[:turn]:
                cell = run_cell(server, connections, size['seconds'])
                cells.setdefault((server.name, connections), []).append(cell)
                note = cell.get('invalid')
                say(f'  {server.name:<13} c={connections:<3} '
                    + (f'INVALID: {note}' if note else
                       f"{cell['rps']:>8.0f} req/s {cell['cpu_us']:>7.1f} us "
                       f"p50 {cell['p50_us']} p99 {cell['p99_us']}"))
    return cells
