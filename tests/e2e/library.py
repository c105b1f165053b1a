# library.py - libtfaas through ctypes, for tests that need more than one call of a client: what
# `tfaas invoke` cannot do. Layouts are those of include/tfaas/client.h, 64 bits.
import ctypes
import os
import pathlib

import lib

PATH = pathlib.Path(os.environ.get('LIBTFAAS', lib.ROOT / 'build' / 'libtfaas.so'))
WHOLE, CHUNKED, SESSION = 1, 2, 3
RECEIPT, NO_SESSION, GATEWAY, ONCE = 1, 2, 4, 8
POINTER, TEXT, SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t


class Bytes(ctypes.Structure):
    _fields_ = [('data', POINTER), ('size', SIZE)]


class Failure(ctypes.Structure):
    _fields_ = [('error', ctypes.c_int), ('text', ctypes.c_char * 512)]


class Options(ctypes.Structure):
    _fields_ = [('url', TEXT), ('domain', TEXT), ('policy', TEXT), ('cache_folder', TEXT),
                ('collateral', TEXT), ('transport', POINTER), ('transport_user', POINTER),
                ('clock', POINTER), ('clock_user', POINTER), ('timeout_ms', ctypes.c_uint),
                ('flags', ctypes.c_uint)]


class Request(ctypes.Structure):
    _fields_ = [('function', TEXT), ('method', TEXT), ('path', TEXT), ('headers', POINTER),
                ('header_count', SIZE), ('body', Bytes), ('read', POINTER),
                ('read_user', POINTER), ('form', ctypes.c_int), ('flags', ctypes.c_uint),
                ('package', TEXT), ('response_max', SIZE), ('on_body', POINTER),
                ('on_body_user', POINTER)]


class Response(ctypes.Structure):
    _fields_ = [('status', ctypes.c_uint), ('headers', POINTER), ('header_count', SIZE),
                ('body', Bytes), ('package', ctypes.c_char * 65), ('receipt', TEXT),
                ('form', ctypes.c_int)]


class Answer:
    """error: "ok" or its name; the rest of a call that was served."""

    def __init__(self, error, text, response=None):
        self.error, self.text, self.status, self.body, self.receipt = error, text, None, b'', None
        if response:
            self.status, self.form = response.status, response.form
            self.body = ctypes.string_at(response.body.data, response.body.size) \
                if response.body.size else b''
            self.receipt, self.package = response.receipt, response.package.decode()

    def __repr__(self):
        return f'{self.error}: {self.text}, {self.status} {self.body[:80]!r}'


class Client:
    library = None

    def __init__(self, url, policy, domain=None, timeout_ms=60000):
        self.handle = POINTER()
        self.load()
        options = Options(url=url.encode(), policy=policy.encode(), timeout_ms=timeout_ms,
                          domain=domain.encode() if domain else None)
        failure = Failure()
        if self.library.tfaas_client_open(ctypes.byref(options), ctypes.byref(self.handle),
                                          ctypes.byref(failure)):
            raise lib.Problem(failure.text.decode())

    @classmethod
    def load(cls):
        if cls.library is None:
            cls.library = ctypes.CDLL(str(PATH))
            cls.library.tfaas_client_error_name.restype = TEXT
            cls.library.tfaas_client_close.argtypes = [POINTER]

    def call(self, function, body=b'', form=0, flags=0, package=None):
        buffer = ctypes.create_string_buffer(body, len(body) + 1)
        request = Request(function=function.encode(), form=form, flags=flags,
                          package=package.encode() if package else None,
                          body=Bytes(ctypes.cast(buffer, POINTER), len(body)))
        failure, out = Failure(), ctypes.POINTER(Response)()
        error = self.library.tfaas_client_call(self.handle, ctypes.byref(request),
                                               ctypes.byref(out), ctypes.byref(failure))
        name = self.library.tfaas_client_error_name(error).decode()
        answer = Answer(name, failure.text.decode() if error else '',
                        out.contents if out else None)
        self.library.tfaas_response_free(out)
        return answer

    def exit_code(self, name):
        for error in range(64):
            if self.library.tfaas_client_error_name(error).decode() == name:
                return self.library.tfaas_client_error_exit(error)
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.tfaas_client_close(self.handle)
