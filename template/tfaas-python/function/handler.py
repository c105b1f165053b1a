# event: body (bytes), headers, method, query, path. The answer: text, bytes, anything that json can write, or a dict
# with statusCode, headers and body. handle(req), with the body as text, works too.
def handle(event, context):
    return {
        'statusCode': 200,
        'headers': {'Content-Type': 'application/json'},
        'body': {'method': event.method, 'path': event.path, 'body': event.body.decode()},
    }
