# boots.py - what else a function could be started in: a container by crun, and a QEMU microvm with Debian's smallest
# kernel; each from its start to the answer of the bench's hello function. A tool that is missing is a Problem that says so.
import gzip
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from lib import Problem, free_port
from load import BODY, HELLO
from peers import BUILD, HELLO_C, PEERS, cache_folder, compile_c, run_tool

INIT_C = pathlib.Path(__file__).with_name('boots') / 'init.c'
KERNEL = 'linux-image-cloud-amd64'
ANSWER = json.dumps(HELLO, separators=(',', ':')).encode()
HTTP_WAIT = 60.0  # seconds for a server in a container to answer
# A machine without ACPI, and so with the old timer and interrupt controller: the kernel finds its clock with it.
MICROVM = ('-M', 'microvm,isa-serial=on,acpi=off,pic=on,pit=on', '-m', '128', '-nodefaults',
           '-no-user-config', '-display', 'none', '-serial', 'stdio', '-no-reboot')
KERNEL_LINE = 'console=ttyS0 quiet noapic reboot=t panic=-1'


# --- crun ---

class Container:
    """An OCI bundle with one program; HTTP when it has a port, else stdin and stdout."""

    def __init__(self, name, folder, program, mounts=(), port=None):
        self.name, self.port = name, port
        if not shutil.which('crun'):
            raise Problem('crun is not installed (Debian: crun)')
        if os.geteuid() != 0:
            raise Problem('crun is measured as root only (private mount namespace)')
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f'crun-{name}-', dir=folder))
        for point in ('rootfs/proc', 'rootfs/dev', 'rootfs/sys', 'rootfs/tmp'):
            (self.folder / point).mkdir(parents=True)
        run_tool(['crun', 'spec'], self.folder)
        path = self.folder / 'config.json'
        config = json.loads(path.read_text())
        config['process'].update(terminal=False, args=[str(word) for word in program])
        for source, target in mounts:
            config['mounts'].append({'destination': target, 'source': str(source), 'type': 'none',
                                     'options': ['rbind', 'ro']})
        if port:  # its server is called through the host's loopback
            spaces = config['linux']['namespaces']
            config['linux']['namespaces'] = [one for one in spaces if one['type'] != 'network']
        path.write_text(json.dumps(config))

    def times(self, count):
        """[[ms to the answer, ms to the end], ...]"""
        # On hybrid cgroup machines crun stumbles over the v2 mount: take it out of its view only.
        script = ('if mountpoint -q /sys/fs/cgroup/unified; then '
                  'umount /sys/fs/cgroup/unified; fi; exec "$@"')
        done = subprocess.run(['unshare', '-m', 'sh', '-c', script, 'sh', sys.executable, __file__,
                               self.folder, str(self.port or 0), str(count)],
                              capture_output=True, text=True,
                              env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)})
        if done.returncode != 0:
            raise Problem(f'crun, {self.name}: {(done.stderr or done.stdout).strip()[-400:]}')
        return json.loads(done.stdout)


def static_container(folder):
    """The smallest root there is: one static program."""
    container = Container('static', folder, ['/hello'])
    program = compile_c([HELLO_C], BUILD / 'hello', ['-static'])
    shutil.copy(program, container.folder / 'rootfs' / 'hello')
    return container


def server_container(name, program, script, folder):
    """An HTTP server over the system's /usr, as an image of that language would hold it."""
    path = os.path.realpath(program)
    if not os.access(path, os.X_OK) or not path.startswith('/usr/'):
        raise Problem(f'no {name} under /usr')
    port = free_port()
    container = Container(name, folder, [path, '/app/' + script, port],
                          [('/usr', '/usr'), (PEERS, '/app')], port)
    root = container.folder / 'rootfs'
    for link in ('bin', 'lib', 'lib64'):
        (root / link).symlink_to('usr/' + link)
    for point in ('usr', 'app'):
        (root / point).mkdir()
    return container


def node_container(folder):
    return server_container('node', shutil.which('node') or '', 'node_http.mjs', folder)


def python_container(folder):
    return server_container('python', '/usr/bin/python3', 'python_http.py', folder)


CONTAINERS = {'crun': static_container, 'crun_node': node_container,
              'crun_python': python_container}


def end_container(name):
    subprocess.run(['crun', '--cgroup-manager=disabled', 'delete', '--force', name],
                   capture_output=True, check=False)


def http_answer(port, process):
    """Until the server answers; asks again as soon as a connection is refused."""
    deadline = time.monotonic() + HTTP_WAIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Problem(f'it ended: {process.stderr.read().decode(errors="replace")[-300:]}')
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=HTTP_WAIT)
        try:
            connection.request('POST', '/', BODY, {'Content-Type': 'application/json'})
            return connection.getresponse().read()
        except ConnectionError:
            time.sleep(0.0005)
        finally:
            connection.close()
    raise Problem(f'no answer in {HTTP_WAIT:.0f} s')


def time_one(folder, port, name):
    begin = time.perf_counter()
    process = subprocess.Popen(['crun', '--cgroup-manager=disabled', 'run', '--bundle', folder, name],
                               stdin=subprocess.DEVNULL if port else subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        if port:
            content = http_answer(port, process)
        else:
            try:
                process.stdin.write(BODY)
                process.stdin.close()
            except BrokenPipeError:
                pass  # it did not read: what it says instead is looked at next
            content = os.read(process.stdout.fileno(), 4096)
        answered = time.perf_counter()
        if not content or json.loads(content) != HELLO:
            raise Problem(f'it says {content!r}: '
                          f'{process.stderr.read().decode(errors="replace")[-300:]}')
        if port:
            end_container(name)
        process.wait(timeout=HTTP_WAIT)
        return [(answered - begin) * 1e3, (time.perf_counter() - begin) * 1e3]
    finally:
        process.kill()
        process.wait()
        end_container(name)


def time_crun(folder, port, count):
    """Runs inside the private mount namespace: prints the times as JSON."""
    try:
        print(json.dumps([time_one(folder, port, f'tfaas-bench-{os.getpid()}-{number}')
                          for number in range(count)]))
    except (Problem, ValueError, OSError) as error:
        sys.exit(str(error))


# --- QEMU microvm ---

def cpio(entries):
    """An initramfs (newc) of (name, mode, content, (major, minor))."""
    archive = b''
    for name, mode, content, device in (*entries, ('TRAILER!!!', 0, b'', (0, 0))):
        path = name.encode() + b'\0'
        fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(path), 0)
        head = b'070701' + b''.join(b'%08x' % field for field in fields) + path
        archive += head + b'\0' * (-len(head) % 4) + content + b'\0' * (-len(content) % 4)
    return archive


def kernel_image():
    """vmlinuz of Debian's smallest kernel package, downloaded once into the cache; never installed."""
    words = run_tool(['apt-cache', 'depends', KERNEL]).split()
    if 'Depends:' not in words:
        raise Problem(f'apt knows no {KERNEL} (apt-get update?)')
    package = words[words.index('Depends:') + 1]
    folder = cache_folder() / 'bench-kernel'
    image = folder / f'vmlinuz-{package}'
    if not image.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            run_tool(['apt-get', '-o', 'APT::Sandbox::User=root', '-qq', 'download', package], fresh)
            archive = next(pathlib.Path(fresh).glob('*.deb'), None)
            if archive is None:
                raise Problem(f'apt-get download {package} left no file')
            run_tool(['dpkg-deb', '-x', archive, fresh])
            found = next(pathlib.Path(fresh, 'boot').glob('vmlinuz-*'), None)
            if found is None:
                raise Problem(f'{package} has no kernel')
            os.replace(found, image)
    return image


class Microvm:
    """The machine: a kernel, and an initramfs whose only program answers and ends."""

    def __init__(self, folder):
        self.program = shutil.which('qemu-system-x86_64')
        if not self.program:
            raise Problem('qemu-system-x86_64 is not installed (Debian: qemu-system-x86)')
        if os.uname().machine != 'x86_64':
            raise Problem(f'the microvm is of x86_64, this is {os.uname().machine}')
        init = compile_c([INIT_C], BUILD / 'init', ['-static'])
        self.kernel = kernel_image()
        self.initramfs = pathlib.Path(folder, 'initramfs')
        self.initramfs.write_bytes(gzip.compress(cpio((
            ('dev', 0o040755, b'', (0, 0)), ('dev/console', 0o020600, b'', (5, 1)),
            ('init', 0o100755, init.read_bytes(), (0, 0))))))

    def boot_ms(self, accelerator, limit):
        """From the start of QEMU to the answer; the machine must then end by itself."""
        processor = 'host' if accelerator == 'kvm' else 'max'
        begin = time.perf_counter()
        process = subprocess.Popen(
            [self.program, *MICROVM, '-accel', accelerator, '-cpu', processor, '-kernel',
             self.kernel, '-initrd', self.initramfs, '-append', KERNEL_LINE],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        watch = threading.Timer(limit, process.kill)
        watch.start()
        answered, last = None, b''
        try:
            for line in process.stdout:
                if ANSWER in line and answered is None:
                    answered = (time.perf_counter() - begin) * 1e3
                last = line.strip() or last
            code = process.wait()
        finally:
            watch.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
        said = last.decode(errors='replace')[-200:] or 'nothing'
        if answered is None:
            how = f'no answer in {limit} s' if code < 0 else f'it ended with {code}'
            raise Problem(f'{how}; the last thing it said: {said}')
        if code != 0:
            raise Problem(f'it answered, and did not end by itself (status {code})')
        return answered


if __name__ == '__main__':
    time_crun(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
