def handle(event, context):
    name = event.body.decode().strip() or 'world'
    return {
        'statusCode': 200,
        'headers': {'Content-Type': 'text/plain'},
        'body': f'Hello {name} from Python\n',
    }
