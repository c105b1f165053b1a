#!/usr/bin/env python3
# run.py - checks the models of the protocol (*.vp) with Verifpal, and that each would notice: every
# line marked "// CHECK name" is weakened in turn, every CHANGES entry applied in turn, and an attack
# must then be found. Verifpal comes from the crates registry into a cache (VERSION below), or is
# taken from PATH. Last line: "N passed, N failed" or "0 passed, 0 failed, N skipped".
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
VERSION = '1.3.6'
CACHE = pathlib.Path(os.environ.get('TFAAS_CACHE', pathlib.Path.home() / '.cache/tfaas'))
INSTALLED = CACHE / f'verifpal-{VERSION}'

# (model, name, text, what it becomes): a design that must fall.
CHANGES = [
    ('attested', 'any platform', 'HASH(pinned, label, identity_key), quote)?',
     'HASH(claim, label, identity_key), quote)?'),
    ('attested', 'quote that does not bind the identity', 'label, identity_key)', 'label)'),
    ('attested', 'lease that does not bind the request key', 'HASH(domain, request_key)',
     'HASH(domain)'),
    ('attested', 'request key that outlives its lease', '\tleaks identity\n',
     '\tleaks identity\n]\nprincipal Worker[\n\tleaks request_secret\n'),
    ('grant', 'keeper that grants to whoever asks', 'Worker -> Keeper: [kem_key]',
     'Worker -> Keeper: kem_key'),
    ('receipt', 'receipt that does not bind the request', 'HASH(request, response)',
     'HASH(response)'),
    ('session', 'lease that was not checked', 'Worker -> Client: [lease_key]',
     'Worker -> Client: lease_key'),
]


def find_verifpal(install):
    found = shutil.which('verifpal') or INSTALLED / 'bin/verifpal'
    if os.access(found, os.X_OK):
        return str(found)
    if not install or not shutil.which('cargo'):
        return None
    print(f'installing Verifpal {VERSION} from the crates registry', flush=True)
    done = subprocess.run(['cargo', 'install', 'verifpal', '--version', VERSION, '--locked',
                           '--ignore-rust-version', '--quiet', '--root', str(INSTALLED)])
    return str(INSTALLED / 'bin/verifpal') if done.returncode == 0 else None


def verify(verifpal, text):
    """(queries that hold, queries that fall, output)"""
    with tempfile.NamedTemporaryFile('w', suffix='.vp') as model:
        model.write(text)
        model.flush()
        done = subprocess.run([verifpal, 'verify', '--quiet', '--color', 'never', model.name],
                              capture_output=True, text=True, timeout=1800)
    output = done.stdout + done.stderr
    return (len(re.findall(r'^ *PASS \+ \w+\?', output, re.M)),
            len(re.findall(r'^ *FAIL x \w+\?', output, re.M)), output)


def weakened(text):
    """Each marked check, made one that is done but not heeded."""
    for line in text.splitlines():
        if ')? // CHECK' in line:
            name = line.split('// CHECK')[1].strip()
            yield name, text.replace(line, line.replace(')? //', ') //'))


def main():
    verifpal = find_verifpal('--install' in sys.argv[1:])
    models = sorted(HERE.glob('*.vp'))
    if not verifpal:
        print('skipped: Verifpal is not installed (make model installs it)')
        print(f'0 passed, 0 failed, {len(models)} skipped')
        return 0
    passed = failed = 0
    for path in models:
        text = path.read_text()
        cases = [(path.stem, text, False)]
        cases += [(f'{path.stem} without check {name}', weak, True) for name, weak in weakened(text)]
        cases += [(f'{path.stem}: {name}', text.replace(old, new), True)
                  for model, name, old, new in CHANGES if model == path.stem and old in text]
        for name, model, attack_wanted in cases:
            held, fallen, output = verify(verifpal, model)
            good = fallen > 0 if attack_wanted else held > 0 and fallen == 0
            print(f"{'ok      ' if good else 'FAILED  '}{name}: {held} hold, {fallen} fall", flush=True)
            if not good:
                print(output)
            passed, failed = passed + good, failed + (not good)
    missing = [name for model, name, old, _ in CHANGES if old not in (HERE / f'{model}.vp').read_text()]
    for name in missing:
        print(f'FAILED  {name}: its text is not in the model')
    print(f'{passed} passed, {failed + len(missing)} failed')
    return 1 if failed or missing else 0


if __name__ == '__main__':
    sys.exit(main())
