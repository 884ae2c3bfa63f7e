-- Stands before each script. Keys of one question: entry, lock, mark.
-- An entry is '1 <fetched_at> <stored_at> <ttl>\n<body>', a mark '1 <failed_at> <pause> <tries>\n<error>'.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

-- No number of ours is as large.
local MAX = 1e10

-- What is not ours under our key is deleted, so that it is fetched again. encoding.py reads
-- the same values as ours.
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

-- Whoever tries again keeps the mark of the last failure alive, so that nobody waits for the try.
local function keep_mark(key, ms)
  local life = redis.call('PTTL', key)
  if life >= 0 and life < tonumber(ms) then redis.call('PEXPIRE', key, ms) end
end

local function reply(kind, value)
  return { clock[1], clock[2], kind, value }
end
