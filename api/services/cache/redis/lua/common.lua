-- Prepended to each script. A cached answer has three keys: entry, lock, failure marker.
-- Entry: '1 <fetched_at> <stored_at> <ttl>\n<body>'.
-- Failure marker: '1 <failed_at> <pause> <tries>\n<error>'.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

-- Above every number in our format, as in encoding.py.
local MAX = 1e10

-- Return a value and its numbers. Delete a value that is not in our format, so that it is
-- fetched again. encoding.py accepts the same values.
local function read(key)
  local raw = redis.pcall('GET', key)
  if type(raw) == 'string' then
    local first, second, third = string.match(raw, '^1 (%d+%.%d+) (%d+%.%d+) (%d+%.?%d*)\n')
    first, second, third = tonumber(first), tonumber(second), tonumber(third)
    if first and math.max(first, second, third) < MAX then
      return raw, first, second, third
    end
  end
  if raw then redis.call('DEL', key) end
  return false
end

local function unlock(key, owner)
  local holder = redis.pcall('GET', key)
  if holder == owner then redis.call('DEL', key) end
  return holder
end

-- Keep the failure marker during a retry, so that stale entries are served meanwhile.
local function extend_marker(key, ms)
  local life = redis.call('PTTL', key)
  if life >= 0 and life < tonumber(ms) then redis.call('PEXPIRE', key, ms) end
end

local function reply(kind, value)
  return { clock[1], clock[2], kind, value }
end
