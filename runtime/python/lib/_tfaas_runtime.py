# The Python half of the runtime: finds the handler, gives it the request, sends what it returns. All modules imported
# here are part of every function's image: importing them again costs nothing.
import _tfaas
import sys

import asyncio
import base64
import collections
import contextlib
import copy
import csv
import dataclasses
import datetime
import decimal
import enum
import functools
import hashlib
import heapq
import hmac
import inspect
import io
import itertools
import json
import linecache
import logging
import math
import operator
import os
import random
import re
import statistics
import string
import textwrap
import time
import traceback
import types
import typing
import urllib.parse
import weakref

_TEXT = 'text/plain; charset=utf-8'
_JSON = 'application/json'
_BYTES = 'application/octet-stream'
_ANSWER_KEYS = frozenset(('statusCode', 'body', 'headers'))


class _Log(io.TextIOBase):
    """sys.stdout and sys.stderr: whole lines go to the function's log."""
    encoding = 'utf-8'
    errors = 'backslashreplace'

    def __init__(self, name):
        self.name = name
        self._rest = ''

    def writable(self):
        return True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f'write() argument must be str, not {type(text).__name__}')
        rest = self._rest + text
        end = rest.rfind('\n') + 1
        if end or len(rest) > 4096:
            end = end or len(rest)
            _tfaas.log(rest[:end])
            rest = rest[end:]
        self._rest = rest
        return len(text)

    def flush(self):
        if self._rest:
            _tfaas.log(self._rest)
            self._rest = ''


class Headers(dict):
    """Request headers: names in lower case, found in any case; several of one name are joined as HTTP says."""
    __slots__ = ()

    def __getitem__(self, name):
        return dict.__getitem__(self, name.lower())

    def __contains__(self, name):
        return isinstance(name, str) and dict.__contains__(self, name.lower())

    def get(self, name, default=None):
        return dict.get(self, name.lower(), default)


class Query(dict):
    """Query parameters: the first of each name; getlist() gives all."""
    __slots__ = ('_all',)

    def __init__(self, text):
        self._all = urllib.parse.parse_qs(text, keep_blank_values=True)
        super().__init__((name, values[0]) for name, values in self._all.items())

    def getlist(self, name):
        return self._all.get(name, [])


class Event:
    """What python3-http handlers get: body (bytes), headers, method, query, path; each is read when it is asked for."""

    def __getattr__(self, name):
        if name == 'body':
            value = _tfaas.body()
        elif name == 'headers':
            value = Headers()
            for key, text in _tfaas.headers():
                key = key.lower()
                if dict.__contains__(value, key):
                    text = dict.__getitem__(value, key) + ('; ' if key == 'cookie' else ', ') + text
                dict.__setitem__(value, key, text)
        elif name == 'method':
            value = _tfaas.method()
        elif name == 'path':
            value = _tfaas.path()
        elif name == 'query':
            value = Query(_tfaas.query())
        else:
            raise AttributeError(f"'Event' object has no attribute {name!r}")
        self.__dict__[name] = value
        return value


class Context:
    def __init__(self):
        self.hostname = os.environ.get('HOSTNAME', 'localhost')


class _Selector:
    """What asyncio waits with where there is nothing to wait for but time."""

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError('the event loop waits for something that never comes')
        if timeout > 0:
            time.sleep(timeout)
        return []

    def close(self):
        pass


class Loop(asyncio.base_events.BaseEventLoop):
    """asyncio without sockets and threads: tasks, timers, queues, locks."""

    def __init__(self):
        super().__init__()
        self._selector = _Selector()

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass

    def run_in_executor(self, executor, function, *arguments):
        future = self.create_future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


class _LoopPolicy(asyncio.events.BaseDefaultEventLoopPolicy):
    _loop_factory = Loop


_entry = None
_context = None
_takes_event = True
_is_async = False
_seeded = None  # instances of random.Random that draw their own seed


def _watch_random(random):
    """Generators that were not given a seed get another one in every call, as in a process of its own."""
    global _seeded
    _seeded = weakref.WeakSet([random._inst])
    plain = random.Random.seed

    @functools.wraps(plain)
    def seed(self, a=None, version=2):
        plain(self, a, version)
        if a is None:
            _seeded.add(self)
        else:
            _seeded.discard(self)

    random.Random.seed = seed
    random.seed = random._inst.seed


sys.stdout = sys.__stdout__ = _Log('<stdout>')
sys.stderr = sys.__stderr__ = _Log('<stderr>')
sys.stdin = sys.__stdin__ = io.StringIO()
sys.path_importer_cache.clear()  # the function's folders were not there yet
asyncio.set_event_loop_policy(_LoopPolicy())
_watch_random(random)


def _log_error(error):
    """The traceback, without the runtime's own frames."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename == '<_tfaas_runtime>':
        trace = trace.tb_next
    if isinstance(error, MemoryError):
        _tfaas.log("MemoryError: the function's memory limit\n")
        return
    _tfaas.log(''.join(traceback.format_exception(type(error), error, trace)))


def _positional(handler):
    code = getattr(handler, '__code__', None)
    if type(handler) is types.FunctionType and not code.co_flags & inspect.CO_VARARGS and not hasattr(handler, '__wrapped__'):
        return code.co_argcount
    try:
        parameters = inspect.signature(handler).parameters.values()
    except (TypeError, ValueError):
        return 2
    kinds = [p.kind for p in parameters]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return 2
    return sum(k in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for k in kinds)


def load():
    """Imports the function's module; its memory after that is the image."""
    global _entry, _context, _takes_event, _is_async
    try:
        for text in _tfaas.environment():
            name, equals, value = text.partition('=')
            if name and equals:
                os.environ[name] = value
        path = _tfaas.entry()
        folder, file = os.path.split(path)
        name = file.removesuffix('.py')
        if not name.isidentifier():
            raise ImportError(f'{path}: {name} cannot be the name of a module')
        # As in OpenFaaS's templates the folder is the package "function"; its files can be imported without it, too.
        package = types.ModuleType('function')
        package.__path__ = [folder]
        sys.modules['function'] = package
        sys.argv = [path]
        module = __import__('function.' + name, fromlist=['handle'])
        _entry = getattr(module, 'handle', None)
        if not callable(_entry):
            raise ImportError(f'{path} has no function "handle"')
        count = _positional(_entry)
        if count not in (1, 2):
            raise TypeError(f'{path}: handle takes (event, context) or (req), not {count} parameters')
        _takes_event = count == 2
        _is_async = inspect.iscoroutinefunction(_entry)
        _context = Context()
        linecache.clearcache()
        return True
    except BaseException as error:
        _log_error(error)
        return False
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _pairs(headers):
    """Response headers, as [(name, value)]."""
    if headers is None:
        return None
    items = headers.items() if hasattr(headers, 'items') else headers
    pairs = []
    for name, value in items:
        if isinstance(value, (list, tuple)):
            pairs.extend((name, str(one)) for one in value)
        else:
            pairs.append((name, value if type(value) is str else str(value)))
    return pairs


def _send(status, headers, value):
    if type(value) is str:
        _tfaas.respond(status, headers, _TEXT, value.encode('utf-8', 'surrogateescape'))
    elif value is None:
        _tfaas.respond(status, headers, None, b'')
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _tfaas.respond(status, headers, _BYTES, value)
    elif isinstance(value, str):
        _tfaas.respond(status, headers, _TEXT, str(value).encode('utf-8', 'surrogateescape'))
    else:
        _tfaas.respond(status, headers, _JSON, json.dumps(value).encode())


def _answer(result):
    if type(result) is dict and not _ANSWER_KEYS.isdisjoint(result):
        status = result.get('statusCode', 200)
        if type(status) is not int:
            status = operator.index(status) if not isinstance(status, str) else int(status)
        _send(status, _pairs(result.get('headers')), result.get('body'))
    elif type(result) is tuple and 2 <= len(result) <= 3 and type(result[1]) is int:
        _send(result[1], _pairs(result[2]) if len(result) == 3 else None, result[0])
    else:
        _send(200, None, result)


def handle():
    try:
        for generator in list(_seeded):
            generator.seed()
        if _takes_event:
            result = _entry(Event(), _context)
        else:
            result = _entry(_tfaas.body().decode('utf-8', 'surrogateescape'))
        if _is_async:
            result = asyncio.run(result)
        _answer(result)
    except BaseException as error:
        _log_error(error)
    if sys.stdout is _stdout and not _stdout._rest and not _stderr._rest:
        return
    for stream in (sys.stdout, sys.stderr, _stdout, _stderr):
        try:
            stream.flush()
        except Exception:
            pass


_stdout = sys.stdout
_stderr = sys.stderr
