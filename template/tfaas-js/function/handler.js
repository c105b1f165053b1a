'use strict'

// event: body, headers, method, path, query. context: status(), headers(), succeed(), fail().
module.exports = async (event, context) => {
    return context
        .status(200)
        .headers({ 'Content-Type': 'application/json' })
        .succeed({ method: event.method, path: event.path, body: event.body })
}
