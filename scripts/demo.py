#!/usr/bin/env python3
"""demo.py - the main job, end to end: starts tfaasd on a free loopback port, deploys a JavaScript
and a C-to-Wasm function through the OpenFaaS REST API, calls both, shows answers and times, stops. Exit 0 only if all of it worked."""
import http.client
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
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


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


def main():
    state = tempfile.mkdtemp(prefix="tfaas-demo-")
    port = free_port()
    daemon = subprocess.Popen([os.path.join(ROOT, "build/tfaasd"), "--listen", f"127.0.0.1:{port}",
                               "--state", state] + sys.argv[1:], stderr=subprocess.PIPE, text=True)
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
