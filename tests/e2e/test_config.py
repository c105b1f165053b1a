# test_config.py - how tfaasd is started: --help, options, the file and the environment; what is
# wrong is named with its place, and a wrong setting never starts a daemon.
import subprocess

from lib import HANG, TFAASD, Problem


def run(*words):
    return subprocess.run([TFAASD, *words], capture_output=True, text=True, timeout=HANG,
                          stdin=subprocess.DEVNULL)


def test_help_and_version(t):
    done = run('--help')
    t.equal(done.returncode, 0, 'exit status of --help')
    for word in ('--listen', '--state', '--config', '--allow-weaker-sandbox'):
        t.contains(done.stdout, word, '--help')
    done = run('--version')
    t.equal(done.returncode, 0, 'exit status of --version')
    t.matches(done.stdout, r'\d+\.\d+', '--version')


def test_wrong_options(t):
    for words in (('--nonsense',), ('--listen',), ('--listen', 'nowhere'), ('extra',),
                  ('--listen', '127.0.0.1:99999', '--state', '/nonexistent/x'),
                  ('--listen', '127.0.0.1:1'),):
        done = run(*words)
        t.true(done.returncode not in (0, -11), f'{words}: exit status {done.returncode}')
        t.true(done.stderr.strip(), f'{words}: no reason on stderr')


def start_error(t, config):
    try:
        t.fresh(config=config)
    except Problem as why:
        return str(why)
    t.true(False, f'tfaasd started with {config}')
    return ''


def test_config_file_errors_name_the_line(t):
    for settings, part in (({'read_timeout': '10s', 'nonsense': '1'}, 'nonsense'),
                           ({'exec_timeout': 'soon'}, 'exec_timeout'),
                           ({'queue_max': '-1'}, 'queue_max'),
                           ({'basic_auth': 'maybe'}, 'basic_auth')):
        text = start_error(t, settings)
        t.contains(text, part, 'key')
        t.matches(text, rf'tfaasd\.conf:{len(settings)}:', 'file and line')


def test_environment_errors_name_the_variable(t):
    try:
        t.fresh(env={'exec_timeout': 'soon'})
    except Problem as why:
        t.contains(str(why), 'exec_timeout', 'name')
    else:
        t.true(False, 'tfaasd started with exec_timeout=soon')


def test_open_address_without_authentication_is_refused(t):
    state = t.fresh().own_folder
    done = run('--listen', '0.0.0.0:0', '--state', state + '/open')
    t.true(done.returncode not in (0, -11), f'exit status {done.returncode}')
    t.contains(done.stderr, 'basic_auth', 'reason')


def test_default_time_limit(t):
    server = t.fresh(env={'exec_timeout': '500ms'})
    server.deploy_js('loop', 'module.exports = async () => { for (;;) {} };\n')
    t.error(server.invoke('loop'), 504)
