# lib.py - what the end-to-end tests and the bench share: a tfaasd with its own state folder, an
# HTTP client that shows exactly what came back, archives and deploy calls. It must never leave a
# process or a folder behind, and never talk to anything but loopback.
import contextlib
import ctypes
import hashlib
import hmac
import http.client
import io
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TFAASD = pathlib.Path(os.environ.get('TFAASD', ROOT / 'build' / 'tfaasd'))
TENDER = os.environ.get('TENDER') or 'process'  # the tender under test: process or kvm
NAMESPACE = 'openfaas-fn'
HANG = 60.0  # seconds: who has not answered by then hangs, however slow the machine is
PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG = 36, 1
LIBC = ctypes.CDLL(None, use_errno=True)
SANITIZER = re.compile(r'^.*(?:ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer).*$', re.M)


def measured_as():
    """The words that `tfaas core measure` takes for the tender under test."""
    return ('--tender', TENDER)


def without_tender():
    """Why no test of the tender can be run here; None: they can."""
    if TENDER == 'kvm' and not os.path.exists('/dev/kvm'):
        return 'no /dev/kvm'
    return None


class Problem(Exception):
    """Something the harness needs is missing or did not work; the text says what."""


def free_port():
    """A port below those that the kernel gives to outgoing connections: a daemon that is started
    again finds it free, whoever has connected to whatever meanwhile."""
    with open('/proc/sys/net/ipv4/ip_local_port_range', encoding='ascii') as file:
        ephemeral = int(file.read().split()[0])
    while True:
        with socket.socket() as probe:
            port = random.randrange(ephemeral // 2, ephemeral) if ephemeral > 4096 else 0
            try:
                probe.bind(('127.0.0.1', port))
            except OSError:
                continue
            return probe.getsockname()[1]


def adopt_orphans():
    """Orphaned grandchildren come to this process instead of init, so that none gets lost."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def processes():
    """{pid: (parent, session)} of every process that can be seen."""
    found = {}
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            with open(f'/proc/{entry}/stat', encoding='utf-8', errors='replace') as file:
                fields = file.read().rpartition(')')[2].split()
        except OSError:
            continue
        found[int(entry)] = (int(fields[1]), int(fields[3]))
    return found


def tree(pid):
    """The process, its descendants, and what still belongs to its session."""
    every = processes()
    members = {pid} if pid in every else set()
    members |= {child for child, (_, session) in every.items() if session == pid}
    grown = True
    while grown:
        more = {child for child, (parent, _) in every.items() if parent in members} - members
        members |= more
        grown = bool(more)
    return members


def kill_tree(pid):
    for member in tree(pid):
        try:
            os.kill(member, signal.SIGKILL)
        except ProcessLookupError:
            pass


def spawn(arguments, log, env=None):
    """A child in its own session that dies with this process; its output goes to the file `log`."""
    with open(log, 'ab') as output:
        return subprocess.Popen([str(word) for word in arguments], stdin=subprocess.DEVNULL,
                                stdout=output, stderr=output, env=env, start_new_session=True,
                                preexec_fn=die_with_parent)


class Response:
    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    @property
    def text(self):
        return self.body.decode('utf-8', 'replace')

    def json(self):
        return json.loads(self.body)

    def header(self, name):
        return self.headers.get(name)

    def __repr__(self):
        return f'{self.status} {self.text[:300]!r}'


def request(port, method, path, body=None, headers=None, timeout=HANG):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=timeout)
    try:
        return request_on(connection, method, path, body, headers)
    finally:
        connection.close()


def request_on(connection, method, path, body=None, headers=None):
    """One request on an open connection. dicts and lists go as JSON, str as UTF-8."""
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
        headers.setdefault('Content-Type', 'application/json')
    elif isinstance(body, str):
        body = body.encode()
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    return Response(answer.status, answer.reason, answer.headers, answer.read())


def make_tar(files, prefix=''):
    """A plain tar of {path: content}; folders are entered before what they hold, like faas-cli."""
    buffer = io.BytesIO()
    folders = set()
    with tarfile.open(fileobj=buffer, mode='w', format=tarfile.USTAR_FORMAT) as archive:
        for path in files:
            add_folders(archive, folders, prefix + path)
            add_file(archive, prefix + path, files[path])
    return buffer.getvalue()


def add_folders(archive, known, path):
    parts = path.split('/')[:-1]
    for end in range(1, len(parts) + 1):
        folder = '/'.join(parts[:end])
        if folder in known:
            continue
        known.add(folder)
        info = tarfile.TarInfo(folder)
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(info)


def add_file(archive, path, content):
    data = content.encode() if isinstance(content, str) else content
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(data), 0o644
    archive.addfile(info, io.BytesIO(data))


def build_tar(image, files, config=None):
    """The build context as faas-cli's remote builder client sends it, its config entry last."""
    context = {'Dockerfile': 'FROM scratch\n', 'template.yml': 'language: tfaas-js\n'}
    context.update({'function/' + path: content for path, content in files.items()})
    archive = make_tar(context, 'context/')
    settings = {'image': image, 'buildArgs': {}} if config is None else config
    data = settings if isinstance(settings, bytes) else json.dumps(settings).encode()
    return append_file(archive, 'com.openfaas.docker.config', data)


def append_file(archive_bytes, path, content):
    buffer = io.BytesIO(archive_bytes)
    with tarfile.open(fileobj=buffer, mode='a', format=tarfile.USTAR_FORMAT) as archive:
        add_file(archive, path, content)
    return buffer.getvalue()


def signature(secret, body):
    return 'sha256=' + hmac.new(secret.strip(), body, hashlib.sha256).hexdigest()


class Server:
    """A tfaasd on a free loopback port. Use as a context manager, or call stop()."""
    reports = []  # of sanitizers and of ends that were none, of every server of this run

    def __init__(self, state=None, arguments=(), env=None, port=None, config=None,
                 wrapper=None, tender=TENDER):
        self.own_folder = tempfile.mkdtemp(prefix='tfaas-e2e-')
        self.state = pathlib.Path(state) if state else pathlib.Path(self.own_folder, 'state')
        self.log = pathlib.Path(self.own_folder, 'tfaasd.log')
        self.port, self.shared_port = port or free_port(), port is not None
        self.arguments = list(arguments)
        self.tender = tender
        if config:
            self.arguments += ['--config', self.write_config(config)]
        self.wrapper = [] if wrapper is None else wrapper(self.state)
        self.env = None if env is None else {**os.environ, **env}
        self.process = None
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def write_config(self, settings):
        path = pathlib.Path(self.own_folder, 'tfaasd.conf')
        path.write_text(''.join(f'{key} = {value}\n' for key, value in settings.items()))
        return path

    def start(self):
        if not os.access(TFAASD, os.X_OK):
            raise Problem(f'{TFAASD} is not built')
        command = [*self.wrapper, TFAASD, '--listen', f'127.0.0.1:{self.port}',
                   '--state', self.state]
        if self.tender:
            command += ['--tender', self.tender]
        self.process = spawn(command + self.arguments, self.log, self.env)
        if self.shared_port:  # whoever has the port would answer for this one, which must end
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(HANG)
        self.wait_ready()

    def wait_ready(self, seconds=HANG):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Problem(f'tfaasd ended with {self.process.returncode}: {self.log_text()}')
            try:
                if request(self.port, 'GET', '/healthz', timeout=HANG).status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise Problem(f'tfaasd did not answer /healthz in {seconds} s: {self.log_text()}')

    def metric(self, name, function=None):
        """A number of /metrics, 0 where there is none; of one function, or of the daemon: the sum
        over its tenders where each has its own."""
        labels = re.escape(f'{{function_name="{function}.{NAMESPACE}"}}') if function else \
            r'(?:\{tender="\w+"\})?'
        text = self.request('GET', '/metrics').text
        return sum(map(float, re.findall(rf'^{re.escape(name)}{labels} (\S+)$', text, re.M)))

    def started(self, function):
        """Calls of the function that have begun."""
        return self.metric('gateway_function_invocation_started', function)

    def log_text(self):
        try:
            return self.log.read_text(errors='replace')[-3000:]
        except OSError:
            return ''

    @property
    def pid(self):
        return self.process.pid

    def end_process(self, sig=signal.SIGTERM, seconds=HANG):
        """Ends the daemon with `sig`; True if it obeyed in time. Nothing of its tree is left."""
        obeyed = True
        if self.process is None:
            return obeyed
        if self.process.poll() is None:
            self.process.send_signal(sig)
            try:
                if self.process.wait(seconds) != 0 and sig == signal.SIGTERM:
                    self.reports.append(f'exit status {self.process.returncode} after SIGTERM: '
                                        + self.log_text())
            except subprocess.TimeoutExpired:
                obeyed = False
        kill_tree(self.pid)
        self.process.wait()
        self.look_for_reports()
        return obeyed

    def look_for_reports(self):
        """A sanitizer writes on stderr; the whole report is kept, for the log goes away."""
        text = self.log.read_text(errors='replace') if self.log.exists() else ''
        if SANITIZER.search(text) and text not in self.reports:
            self.reports.append(text)

    def stop(self):
        obeyed = self.end_process()
        shutil.rmtree(self.own_folder, ignore_errors=True)
        return obeyed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # --- calls ---

    def request(self, method, path, body=None, headers=None, timeout=HANG):
        return request(self.port, method, path, body, headers, timeout)

    def put_package(self, image, files):
        """PUT /packages/IMAGE with the function folder as a tar; files: dict, or tar bytes."""
        body = files if isinstance(files, bytes) else make_tar(files)
        return self.request('PUT', '/packages/' + image, body,
                            {'Content-Type': 'application/x-tar'})

    def secret(self):
        return (self.state_seen() / 'payload-secret').read_bytes()

    def state_seen(self):
        """The state folder as the daemon sees it, whatever is mounted there for it alone."""
        return pathlib.Path(f'/proc/{self.pid}/root{self.state}') if self.wrapper else self.state

    def build(self, tar, sign=None, headers=None):
        """POST /build as faas-cli's SDK does."""
        all_headers = {'Content-Type': 'application/octet-stream',
                       'Accept': 'application/x-ndjson', 'User-Agent': 'openfaas-go-sdk',
                       'X-Build-Signature': sign or signature(self.secret(), tar)}
        all_headers.update(headers or {})
        return self.request('POST', '/build', tar, all_headers)

    def deploy(self, name, image, method='POST', **fields):
        return self.request(method, '/system/functions',
                            {'service': name, 'image': image, **fields})

    def deploy_files(self, name, files, **fields):
        """Package and function in one step; raises Problem with the answer when either fails."""
        image = f'{name}:latest'
        for answer in (self.put_package(image, files), self.deploy(name, image, **fields)):
            if answer.status not in (200, 201, 202):
                raise Problem(f'deploy of {name}: {answer}')

    def deploy_js(self, name, source, **fields):
        self.deploy_files(name, {'handler.js': source}, **fields)

    def invoke(self, name, body=b'', method='POST', path='', headers=None, timeout=HANG,
               namespace=NAMESPACE):
        return self.request(method, f'/function/{name}.{namespace}{path}', body, headers, timeout)

    def remove(self, name, **fields):
        return self.request('DELETE', '/system/functions', {'functionName': name, **fields})
