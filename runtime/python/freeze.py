# Compiles the standard library and lib/ to marshalled code, and writes stdlib.bin (all of it) and stdlib.c (the table
# that says where each module lies). Run by the native Python of the same version: freeze.py LIBRARY OWN OUT
import marshal
import os
import sys

# Needs what is not there (processes, terminals, sockets, other systems), duplicates what C has, or is a tool.
LEFT_OUT = set('''
__phello__ _aix_support _android_support _apple_support _ios_support _osx_support _pydatetime _pydecimal _pyio _pyrepl _py_abc
antigravity this cProfile profile pstats pdb bdb cmd code codeop curses dbm doctest ensurepip ftplib idlelib imaplib mailbox
multiprocessing netrc nturl2path pickletools poplib pty pyclbr py_compile pydoc pydoc_data readline rlcompleter shelve site
smtplib socketserver sqlite3 ssl tarfile test tkinter trace tty turtle turtledemo venv webbrowser wsgiref
xmlrpc zipapp zipimport lib2to3 bz2 lzma gzip compileall modulefinder getpass plistlib crypt
ctypes _sysconfigdata__wasi_wasm32-wasi __hello__ sre_compile sre_constants sre_parse
asyncio.windows_events asyncio.windows_utils asyncio.__main__ concurrent.futures.process json.tool unittest.__main__
encodings.mbcs encodings.oem encodings.bz2_codec encodings.zlib_codec
'''.split())


def modules(folder, prefix=''):
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        module, ending = os.path.splitext(name)
        full = prefix + module
        if full in LEFT_OUT or name == '__pycache__' or full in ('importlib._bootstrap', 'importlib._bootstrap_external'):
            continue
        if os.path.isfile(os.path.join(path, '__init__.py')):
            yield prefix + name, os.path.join(path, '__init__.py'), True
            yield from modules(path, prefix + name + '.')
        elif ending == '.py' and module != '__init__':
            yield full, path, False


def main(library, own, out):
    found = {name: (path, package) for name, path, package in modules(library)}
    found.update((name, (path, package)) for name, path, package in modules(own))
    rows, blob = [], bytearray()
    for name, (path, package) in sorted(found.items()):
        with open(path, 'rb') as file:
            source = file.read()
        code = marshal.dumps(compile(source, f'<{name}>', 'exec', dont_inherit=True, optimize=2))
        rows.append(f'    {{"{name}", stdlib_code + {len(blob)}, {len(code)}, {int(package)}}},\n')
        blob += code
        blob += bytes(-len(blob) % 4)
    with open(os.path.join(out, 'stdlib.bin'), 'wb') as file:
        file.write(blob)
    with open(os.path.join(out, 'stdlib.c'), 'w') as file:
        file.write('#include "guest.h"\nextern const unsigned char stdlib_code[];\n'
                   'const struct _frozen stdlib_modules[] = {\n' + ''.join(rows) + '    {NULL, NULL, 0, 0},\n};\n')
    print(f'{len(rows)} modules, {len(blob)} bytes', file=sys.stderr)


main(*sys.argv[1:])
