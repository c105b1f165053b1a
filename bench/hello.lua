-- hello.lua - what wrk sends in every cell, and one line of JSON with what it saw.
-- It must do no work per response: wrk shares the machine with the server it measures.
wrk.method = 'POST'
wrk.body = '{"name":"world"}'
wrk.headers['Content-Type'] = 'application/json'

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"status_errors":%d,"io_errors":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
