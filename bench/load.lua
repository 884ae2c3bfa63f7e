-- The script of wrk: requests paths in random order, and prints one line of JSON.
-- Arguments: a file with one path per line; the mean pause before a request in ms (0: none); the
-- Connection header to send; an API key to send, if any.
local requests = {}

function init(args)
  local headers = {Host = wrk.headers.Host, Connection = args[3], ['X-API-Key'] = args[4]}
  for path in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format('GET', path, headers)
  end
  math.randomseed(os.time())
  local pause = tonumber(args[2])
  if pause > 0 then
    function delay() return math.random(0, 2 * pause) end
  end
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency, _)
  local failed = {}
  for kind, count in pairs(summary.errors) do
    failed[#failed + 1] = string.format('"%s": %d', kind, count)
  end
  io.write(string.format(
    '\nRESULT {"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "max_ms": %f, "failed": {%s}}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
    table.concat(failed, ", ")))
end
