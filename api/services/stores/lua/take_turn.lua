-- KEYS: when the next turn is, seconds since the epoch.
-- ARGV: interval, patience.
local interval, patience = tonumber(ARGV[1]), tonumber(ARGV[2])
local turn = math.max(now, tonumber(redis.pcall('GET', KEYS[1])) or 0)
-- A turn of ours is never beyond the life of its key; whatever else stands there is no queue.
if turn > now + redis.call('PTTL', KEYS[1]) / 1000 then turn = now end
if turn - now <= patience then
  local following = turn + interval
  redis.call('SET', KEYS[1], string.format('%.6f', following),
    'PX', math.ceil((following - now) * 1000) + 1000)
end
return reply('turn', string.format('%.6f', turn - now))
