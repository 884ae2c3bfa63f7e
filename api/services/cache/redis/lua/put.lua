-- KEYS: entry, lock, marker.
-- ARGV: owner, body, fetched_at, ttl, stale_ttl, handover, tolerance, channel, name.
local fetched_at, ttl = tonumber(ARGV[3]), tonumber(ARGV[4])

unlock(KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3])
local present, present_fetched_at = read(KEYS[1])
if present and present_fetched_at > fetched_at
    and present_fetched_at <= now + tonumber(ARGV[7]) then
  return reply('entry', present)
end
local entry = string.format('1 %.6f %.6f %s\n', fetched_at, now, ARGV[4]) .. ARGV[2]
local life = math.max(fetched_at + ttl + tonumber(ARGV[5]) - now, tonumber(ARGV[6]))
redis.call('SET', KEYS[1], entry, 'PX', math.ceil(life * 1000))
redis.call('PUBLISH', ARGV[8], ARGV[9] .. '\n' .. entry)
return reply('entry', entry)
