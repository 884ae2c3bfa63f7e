-- KEYS: when the next turn is and when the last one was given, seconds since the epoch.
-- ARGV: interval, patience, tolerance.
local interval, patience = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.pcall('GET', KEYS[1])
local text = type(kept) == 'string' and kept or ''
local next_turn, given = string.match(text, '^(%d+%.%d+) (%d+%.%d+)$')
-- One that was given in the future is from before the clock was set back.
local counts = given and tonumber(given) <= now + tonumber(ARGV[3]) and tonumber(next_turn) < MAX
local turn = math.max(now, counts and tonumber(next_turn) or 0)
if turn - now <= patience then
  local following = turn + interval
  redis.call('SET', KEYS[1], string.format('%.6f %.6f', following, now),
    'PX', math.ceil((following - now) * 1000) + 1000)
end
return reply('turn', string.format('%.6f', turn - now))
