# case.py - one running test: its servers, its names and its checks. Servers that a test starts for
# itself are stopped at its end; the shared one must never be killed or reconfigured by a test.
import itertools
import re
import time

from lib import Problem, Server


class Failed(Exception):
    """A check did not hold."""


class Skipped(Exception):
    """Something outside this repository is missing; the text says what."""


class Case:
    shared = None
    numbers = itertools.count(1)

    def __init__(self):
        self.own = []

    # --- servers ---

    @property
    def server(self):
        """One tfaasd for all tests that only need names of their own; restarted if it died."""
        if Case.shared is not None and Case.shared.process.poll() is not None:
            text = Case.shared.log_text()
            Case.close_shared()
            raise Failed(f'the shared tfaasd ended by itself: {text}')
        if Case.shared is None:
            Case.shared = Server()
        return Case.shared

    def fresh(self, **options):
        server = Server(**options)
        self.own.append(server)
        return server

    @classmethod
    def close_shared(cls):
        obeyed = cls.shared is None or cls.shared.stop()
        cls.shared = None
        return obeyed

    def close(self):
        late = [server for server in self.own if not server.stop()]
        if late:
            raise Failed('tfaasd did not end after SIGTERM')

    def name(self, prefix='fn'):
        return f'{prefix}-{next(Case.numbers)}'

    # --- checks ---

    def skip(self, why):
        raise Skipped(why)

    def true(self, value, what):
        if not value:
            raise Failed(what)

    def equal(self, got, want, what):
        if got != want:
            raise Failed(f'{what}: got {got!r}, want {want!r}')

    def contains(self, text, part, what):
        if part not in text:
            raise Failed(f'{what}: {part!r} is not in {text[:500]!r}')

    def matches(self, text, pattern, what):
        if not re.search(pattern, text or ''):
            raise Failed(f'{what}: {text!r} does not match {pattern!r}')

    def status(self, answer, *codes):
        if answer.status not in codes:
            raise Failed(f'status {answer}, want {" or ".join(map(str, codes))}')
        return answer

    def error(self, answer, code, part=''):
        """An error answer in OpenFaaS's form: text/plain, nosniff, ends with a newline."""
        self.status(answer, code)
        self.matches(answer.header('Content-Type'), r'^text/plain', f'type of the {code} answer')
        self.equal(answer.header('X-Content-Type-Options'), 'nosniff', f'{code} answer')
        self.true(answer.text.endswith('\n'), f'{code} answer without newline: {answer.text!r}')
        self.true(answer.text.strip(), f'{code} answer says nothing')
        self.contains(answer.text.lower(), part.lower(), f'{code} answer')
        return answer

    def eventually(self, check, what, seconds=60.0):
        """Waits until check() is true; for what the daemon does in its own time. The bound is there
        so that a hang is a failure; no test may depend on how fast a machine is."""
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                raise Failed(f'{what}: not within {seconds} s')
            time.sleep(0.02)

    def while_it_lasts(self, attempt, what):
        """For what is seen only while something else goes on: attempt(seconds) makes that last so
        long, and tells whether it still went on when all was seen. A slow machine needs more time."""
        for seconds in (1, 4, 16, 64):
            if attempt(seconds):
                return
        raise Failed(f'{what}: not even in {seconds} s')

    def alive(self, server, function, body=b'', want=None):
        """The daemon still serves: used after every attack."""
        answer = self.status(server.invoke(function, body), 200)
        if want is not None:
            self.equal(answer.text, want, f'answer of {function}')


__all__ = ['Case', 'Failed', 'Problem', 'Skipped']
