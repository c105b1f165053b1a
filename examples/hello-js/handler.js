'use strict'

module.exports = async (event, context) => {
    const name = (typeof event.body === 'string' && event.body.trim()) || 'world'
    return context
        .status(200)
        .headers({ 'Content-Type': 'text/plain' })
        .succeed(`Hello ${name} from JavaScript\n`)
}
