-- wrk's side of `cargo xtask bench`'s comparison.
--
-- Without arguments the URL is asked as it is. With a number N, `Invoke` is called on the functions f1 to fN at random: the requests
-- are made before the first is sent. What was seen is printed as one line of JSON, times in microseconds.

function init(args)
  local count = tonumber(args[1])
  if not count then return end
  local headers = { ["Content-Type"] = "application/json", ["Host"] = wrk.host .. ":" .. wrk.port }
  local requests = {}
  for i = 1, count do
    requests[i] = wrk.format("POST", "/2015-03-31/functions/f" .. i .. "/invocations", headers, "{}")
  end
  -- Defined here only: a request that never changes costs wrk nothing.
  request = function() return requests[math.random(count)] end
end

function done(summary, latency, requests)
  local e = summary.errors
  local at = function(percent) return latency:percentile(percent) end
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"p50_us":%g,"p90_us":%g,"p99_us":%g,"p999_us":%g,"max_us":%g,"status":%d,"socket":%d}\n',
    summary.requests, summary.duration, at(50), at(90), at(99), at(99.9), latency.max,
    e.status, e.connect + e.read + e.write + e.timeout))
end
