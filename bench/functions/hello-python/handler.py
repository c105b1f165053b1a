# The Python function of the bench: {"name":"world"} in, {"hello":"world"} out.
# It must do the same work as hello-js/handler.js and the peers, no more and no less.
import json


def handle(event, context):
    return {'headers': {'Content-Type': 'application/json'},
            'body': '{"hello":"%s"}' % json.loads(event.body)['name']}
