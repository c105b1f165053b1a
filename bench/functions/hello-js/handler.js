// The JavaScript function of the bench: {"name":"world"} in, {"hello":"world"} out.
// It must do the same work as hello-wasm/hello.c and the peers, no more and no less.
'use strict';

module.exports = async (event, context) =>
    context.status(200).headers({ 'Content-Type': 'application/json' }).succeed({
        hello: event.body.name,
    });
