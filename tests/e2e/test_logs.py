# test_logs.py - /system/logs: NDJSON of one function, ending without follow, streaming with it.
import http.client
import json
import threading

from lib import HANG, NAMESPACE

TALKER = '''
module.exports = async (event) => { console.log('said ' + event.body); return 'ok'; };
'''


def say(t, name, text):
    t.status(t.server.invoke(name, text, headers={'Content-Type': 'text/plain'}), 200)


def talker(t):
    name = t.name('talker')
    t.server.deploy_js(name, TALKER)
    return name


def log_lines(t, query):
    answer = t.status(t.server.request('GET', '/system/logs?' + query), 200)
    t.equal(answer.header('Content-Type'), 'application/x-ndjson', 'type')
    return [json.loads(line) for line in answer.text.splitlines()]


def test_lines_and_fields(t):
    name = talker(t)
    say(t, name, 'first')
    say(t, name, 'second')
    lines = log_lines(t, f'name={name}&namespace={NAMESPACE}&follow=false')
    said = [line for line in lines if 'said' in line['text']]
    t.equal([line['text'].strip() for line in said], ['said first', 'said second'], 'lines')
    for line in lines:
        t.equal(line['name'], name, 'name')
        t.equal(line['namespace'], NAMESPACE, 'namespace')
        t.true(line.get('instance'), 'instance is empty')
        t.matches(line['timestamp'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d', 'timestamp')


def test_tail_and_since(t):
    name = talker(t)
    for number in range(5):
        say(t, name, f'line-{number}')
    lines = log_lines(t, f'name={name}&follow=false&tail=1')
    t.equal(len(lines), 1, 'lines with tail=1')
    every = log_lines(t, f'name={name}&follow=false')
    stamp = every[-1]['timestamp']
    later = log_lines(t, f'name={name}&follow=false&since={stamp.replace("+", "%2B")}')
    t.true(0 < len(later) <= len(every), f'{len(later)} of {len(every)} lines since the last one')
    t.equal(log_lines(t, f'name={name}&follow=false&since=2200-01-01T00:00:00Z'), [], 'future')


def test_bad_queries(t):
    t.error(t.server.request('GET', '/system/logs?follow=false'), 400, 'name')
    t.error(t.server.request('GET', '/system/logs?name=absent&follow=false'), 404, 'absent')
    name = talker(t)
    for query in ('tail=many', 'tail=-5', 'since=yesterday', 'follow=perhaps'):
        t.error(t.server.request('GET', f'/system/logs?name={name}&{query}'), 422)


def test_follow_streams_each_line(t):
    name = talker(t)
    connection = http.client.HTTPConnection('127.0.0.1', t.server.port, timeout=HANG)
    try:
        connection.request('GET', f'/system/logs?name={name}&follow=true')
        answer = connection.getresponse()
        t.equal(answer.status, 200, 'status')
        for number in range(3):
            say(t, name, f'live-{number}')
            while True:
                line = answer.readline()
                t.true(line, 'the stream ended')
                if f'live-{number}' in json.loads(line)['text']:
                    break
    finally:
        connection.close()
    t.alive(t.server, name, b'', 'ok')


def test_followers_that_leave_do_not_stay(t):
    name = talker(t)

    def follow_and_leave():
        connection = http.client.HTTPConnection('127.0.0.1', t.server.port, timeout=HANG)
        connection.request('GET', f'/system/logs?name={name}&follow=true')
        connection.getresponse()
        connection.close()

    for _ in range(10):
        threads = [threading.Thread(target=follow_and_leave) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # 500 followers came and went: one more must find a place.
    t.eventually(lambda: follower_gets_line(t, name), 'a new follower gets a line')


def follower_gets_line(t, name):
    connection = http.client.HTTPConnection('127.0.0.1', t.server.port, timeout=HANG)
    try:
        connection.request('GET', f'/system/logs?name={name}&follow=true')
        answer = connection.getresponse()
        if answer.status != 200:
            return False
        say(t, name, 'still')
        return 'said' in json.loads(answer.readline())['text']
    finally:
        connection.close()


def test_control_characters_are_data(t):
    """A log line cannot forge another NDJSON line or colour a terminal."""
    name = t.name('forger')
    t.server.deploy_js(name, "module.exports = async () => { console.log('a\\u001b[31m\\r\\n"
                             "{\"name\":\"forged\"}\\u0000end'); return 'ok'; };\n")
    t.status(t.server.invoke(name), 200)
    for line in log_lines(t, f'name={name}&follow=false'):
        t.equal(line['name'], name, 'name of a line')
        t.true('\x1b' not in line['text'] and '\0' not in line['text'],
               f"control characters in {line['text']!r}")


def test_error_of_one_call_is_found_by_the_owner(t):
    name = t.name('logged')
    t.server.deploy_js(name, "module.exports = async () => { console.error('to stderr'); };\n")
    t.server.invoke(name)
    t.true(any('to stderr' in line['text'] for line in log_lines(t, f'name={name}&follow=false')),
           'console.error is not in the log')
