-- KEYS: entry, lock, marker.
-- ARGV: owner, not_before, arrived, stale_ttl, background ('1' or '0'), lock_ms, background_pause,
--   tolerance, marker_ms.
local owner, background, tolerance = ARGV[1], ARGV[5] == '1', tonumber(ARGV[8])
local not_before, arrived = tonumber(ARGV[2]), tonumber(ARGV[3])

local entry, fetched_at, stored_at, ttl = read(KEYS[1])
if entry then
  local has_body = #entry > string.find(entry, '\n', 1, true)
  if has_body then ttl = ttl + tonumber(ARGV[4]) end
  if fetched_at <= now + tolerance and fetched_at >= not_before
      and (fetched_at + ttl > arrived or stored_at >= arrived) then
    return reply('entry', entry)
  end
end

local marker, failed_at, pause, tries = read(KEYS[3])
-- Ignore a marker from the future, which was written before the clock was set back.
if marker and failed_at <= now + tolerance then
  if background then
    if now < failed_at + math.max(pause, tonumber(ARGV[7])) then return reply('wait', '') end
  elseif arrived <= failed_at + pause then
    return reply('failure', marker)
  end
end

-- Delete a lock that expires never or too late: none of our scripts wrote it like that.
local life = redis.call('PTTL', KEYS[2])
if life == -1 or life > tonumber(ARGV[6]) then redis.call('DEL', KEYS[2]) end
if redis.call('SET', KEYS[2], owner, 'NX', 'PX', ARGV[6]) then
  extend_marker(KEYS[3], ARGV[9])
  return reply('granted', string.format('%d', tries or 0))
end
return reply('wait', '')
