#!/usr/bin/env python3
"""demo.py - the main job, end to end: starts tfaasd on a free loopback port, deploys a JavaScript
and a C-to-Wasm function through the OpenFaaS REST API, calls both in clear; then verifies the core and calls it
encrypted through a gateway that reads and alters what it can. Shows answers and times, stops. TENDER=kvm: the same
with cores in virtual machines; without /dev/kvm it says so, and shows nothing.
Exit 0 only if all of it worked, what must be refused included, or if it was skipped."""
import base64
import http.client
import http.server
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TENDER = os.environ.get("TENDER") or "process"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Client:
    """One keep-alive connection; every unexpected answer ends the demo with its text."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def call(self, method, path, body=None, headers=None, expect=(200, 201, 202)):
        start = time.perf_counter()
        self.connection.request(method, path, body=body, headers=headers or {})
        answer = self.connection.getresponse()
        data = answer.read()
        took = time.perf_counter() - start
        if answer.status not in expect:
            raise SystemExit(f"{method} {path}: {answer.status} {data.decode(errors='replace')}")
        return data, took


def tar_of(folder):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(folder, arcname=".")
    return out.getvalue()


def wait_ready(port, daemon):
    for _ in range(500):
        if daemon.poll() is not None:
            raise SystemExit(f"tfaasd ended with {daemon.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.02)
    raise SystemExit("tfaasd did not get ready in 10 s")


def show(client, name, folder, what):
    image = f"{name}:latest"
    _, built = client.call("PUT", f"/packages/{image}", tar_of(os.path.join(ROOT, folder)),
                           {"Content-Type": "application/x-tar"})
    spec = json.dumps({"service": name, "image": image})
    _, deployed = client.call("POST", "/system/functions", spec,
                              {"Content-Type": "application/json"})
    body = json.dumps({"name": "world"})
    path, headers = f"/function/{name}", {"Content-Type": "application/json"}
    answer, cold = client.call("POST", path, body, headers)
    warm = sorted(client.call("POST", path, body, headers)[1] for _ in range(200))
    print(f"  {name} ({what}): built {built * 1e3:.0f} ms, deployed {deployed * 1e3:.0f} ms")
    print(f"    POST {path} {body}  ->  {answer.decode().strip()}")
    print(f"    first (cold) call {cold * 1e3:.2f} ms, then {warm[100] * 1e6:.0f} us in the middle of 200,"
          " each in a fresh instance")


# --- attested: the client is `tfaas`, and what lies between it and the core is not trusted ---

class Gateway(http.server.ThreadingHTTPServer):
    """Stands between client and tfaasd, keeps what it saw, and alters answers as `how` says."""
    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Relay)
        self.upstream, self.how, self.seen = port, "relay", b""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Relay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def relay(self):
        gateway = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items()
                   if name.lower() in ("content-type", "accept")}
        upstream = http.client.HTTPConnection("127.0.0.1", gateway.upstream, timeout=30)
        upstream.request(self.command, self.path, body=body, headers=headers)
        answer = upstream.getresponse()
        status, kind, data = answer.status, answer.getheader("Content-Type", ""), answer.read()
        upstream.close()
        gateway.seen += body + data
        if gateway.how == "alter" and "ohttp" in kind + self.headers.get("Content-Type", ""):
            data = data[:-1] + bytes([data[-1] ^ 1])
        elif gateway.how == "answer" and self.command == "POST":
            status, kind, data = 200, "text/plain", b"Hello mallory from JavaScript\n"
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(data)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = relay

    def log_message(self, *_):
        pass


REFUSED = 5  # the exit status of `tfaas` for evidence or answers that it does not take


class Tfaas:
    """The command line client, with a policy that allows the core of this build, simulated."""

    def __init__(self, folder):
        measured = self.output("core", "measure", os.path.join(ROOT, "build/tfaas-core"), "--tender", TENDER)
        self.core, self.folder = measured.split()[0], folder
        self.policy = os.path.join(folder, "policy.json")
        with open(self.policy, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "cores": [self.core], "allow_simulated": True}, file)

    @staticmethod
    def run(*words, stdin=b""):
        start = time.perf_counter()
        done = subprocess.run([os.path.join(ROOT, "build/tfaas"), *words], input=stdin,
                              capture_output=True, timeout=60, check=False)
        return done, time.perf_counter() - start

    def output(self, *words, stdin=b""):
        done, _ = self.run(*words, stdin=stdin)
        if done.returncode != 0:
            raise SystemExit(f"tfaas {words[0]}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def attested(self, verb, *words, stdin=b""):
        return self.output(*verb.split(), *words, "--policy", self.policy, stdin=stdin)

    def refused(self, *words):
        """What `tfaas` says of a call that must not succeed."""
        done, _ = self.run("invoke", *words, "--policy", self.policy)
        if done.returncode != REFUSED:
            raise SystemExit(f"not refused as it must be: exit {done.returncode}, {done.stdout!r} {done.stderr!r}")
        lines = [line for line in done.stderr.decode(errors="replace").splitlines()
                 if "SIMULATED" not in line]
        return f"exit {done.returncode}, {lines[-1] if lines else ''}"


def show_verify(tfaas, url):
    bundle = os.path.join(tfaas.folder, "evidence")
    refused, _ = tfaas.run("verify", url, "--core", tfaas.core)
    if refused.returncode != REFUSED:
        raise SystemExit(f"a policy that does not allow simulated evidence: exit {refused.returncode}")
    start = time.perf_counter()
    told = tfaas.attested("verify", url, "--save", bundle).splitlines()
    took = time.perf_counter() - start
    passed = sum(" ok " in line for line in told)
    print(f"  tfaas verify {url}: {passed} checks passed in {took * 1e3:.0f} ms, core {tfaas.core[:16]}...")
    print("    *** SIMULATED: there is no hardware here, so this proves NOTHING about this host; the")
    print("    *** policy of this demo allows it, and the default policy refuses it: "
          f"exit {refused.returncode}")
    return bundle


def show_receipt(tfaas, receipt, bundle):
    told = json.loads(tfaas.attested("receipt verify", receipt, "--evidence", bundle, "--json"))
    print(f"  its receipt, verified: {told['fn']}, package {told['pkg'][:16]}..., status {told['status']}, "
          f"{told['work']} units of work, {told['mem'] >> 10} KiB, {told['cpu_ns'] / 1e3:.0f} us")


def show_encrypted(tfaas, gateway, bundle):
    receipt = os.path.join(tfaas.folder, "receipt")
    secret_word = "Ada-Lovelace"
    call = (gateway.url, "hello-js", "--data", secret_word, "--header", "content-type: text/plain")
    gateway.seen = b""
    start = time.perf_counter()
    answer = tfaas.attested("invoke", *call, "--receipt", receipt).strip()
    took = time.perf_counter() - start
    if secret_word not in answer or secret_word.encode() in gateway.seen:
        raise SystemExit(f"the gateway saw the name, or the answer is wrong: {answer}")
    print(f"  encrypted call through an untrusted gateway  ->  {answer}")
    print(f"    {took * 1e3:.0f} ms with verification; the gateway saw {len(gateway.seen)} bytes, "
          f'and no "{secret_word}" in them')
    show_receipt(tfaas, receipt, bundle)
    for how, what in (("alter", "changes one bit of the answer"),
                      ("answer", "answers in the core's place")):
        gateway.how = how
        print(f"  the gateway {what}: refused, {tfaas.refused(*call)}")
    gateway.how = "relay"


def show_secret(client, tfaas, gateway):
    source = (b'"use strict";\nconst fs = require("fs");\n'
              b'module.exports = async (event, context) => context.status(200).succeed(\n'
              b'    "a secret of " + fs.readFileSync("/var/openfaas/secrets/word", "utf8").length '
              b'+ " characters");\n')
    word = b"correct horse battery staple"
    image = "uses-secret:latest"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("handler.js")
        entry.size = len(source)
        tar.addfile(entry, io.BytesIO(source))
    data, _ = client.call("PUT", f"/packages/{image}", archive.getvalue(),
                          {"Content-Type": "application/x-tar"})
    sealed = os.path.join(tfaas.folder, "sealed")
    tfaas.attested("secret seal", gateway.url, "--name", "word", "--package",
                   json.loads(data)["digest"], "--out", sealed, stdin=word)
    with open(sealed, "rb") as file:
        value = file.read()
    gateway.seen = b""
    headers = {"Content-Type": "application/json"}
    through = Client(gateway.server_address[1])
    through.call("POST", "/system/secrets", json.dumps(
        {"name": "word", "rawValue": base64.b64encode(value).decode()}), headers)
    client.call("POST", "/system/functions", json.dumps(
        {"service": "uses-secret", "image": image, "secrets": ["word"]}), headers)
    answer = tfaas.attested("invoke", gateway.url, "uses-secret").strip()
    if answer != f"a secret of {len(word)} characters" or word in value or word in gateway.seen:
        raise SystemExit(f"the sealed secret: {answer}")
    print(f"  a secret sealed to the core for one package, {len(value)} bytes to the host  ->  {answer}")


def attested(client, port, folder):
    print("attested:")
    tfaas, gateway = Tfaas(folder), Gateway(port)
    bundle = show_verify(tfaas, f"http://127.0.0.1:{port}")
    show_encrypted(tfaas, gateway, bundle)
    show_secret(client, tfaas, gateway)
    gateway.shutdown()


def main():
    if TENDER == "kvm" and not os.path.exists("/dev/kvm"):
        print("skipped: no /dev/kvm")
        return 0
    state = tempfile.mkdtemp(prefix="tfaas-demo-")
    port = free_port()
    daemon = subprocess.Popen([os.path.join(ROOT, "build/tfaasd"), "--listen", f"127.0.0.1:{port}",
                               "--state", state, "--tender", TENDER] + sys.argv[1:], stderr=subprocess.PIPE, text=True)
    try:
        wait_ready(port, daemon)
        client = Client(port)
        info = json.loads(client.call("GET", "/system/info")[0])
        print(f"tfaasd {info['version']['release']} on 127.0.0.1:{port}, tender "
              f"{info['provider'].get('tender', '?')}, walls: "
              f"{info['provider'].get('layers', '?')}")
        show(client, "hello-js", "examples/hello-js", "JavaScript, QuickJS in Wasm")
        show(client, "hello-c", "examples/hello-c", "C compiled to Wasm")
        functions = json.loads(client.call("GET", "/system/functions")[0])
        print("  deployed:", ", ".join(f"{f['name']} (called {int(f.get('invocationCount', 0))} times)"
                                       for f in functions))
        attested(client, port, state)
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(timeout=20)
        print(f"stopped, exit {code}")
        return code
    except BaseException:
        daemon.kill()
        print(daemon.stderr.read(), file=sys.stderr)
        raise
    finally:
        daemon.kill()
        shutil.rmtree(state, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
