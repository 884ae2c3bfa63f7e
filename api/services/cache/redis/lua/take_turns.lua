-- KEYS: '<next_turn> <taken_at>': times of the next turn and of the last call that changed it.
-- ARGV: interval, max_wait, tolerance, count, returned.
local interval, max_wait = tonumber(ARGV[1]), tonumber(ARGV[2])
local count, returned = tonumber(ARGV[4]), tonumber(ARGV[5])
local kept = redis.pcall('GET', KEYS[1])
local text = type(kept) == 'string' and kept or ''
local next_turn, taken_at = string.match(text, '^(%d+%.%d+) (%d+%.%d+)$')
-- Ignore a turn that was taken before the clock was set back.
local is_valid = taken_at and tonumber(taken_at) <= now + tonumber(ARGV[3])
  and tonumber(next_turn) < MAX
local turn = math.max(now, is_valid and next_turn - returned * interval or 0)
local taken = 0
if turn - now <= max_wait then
  taken = math.min(count, 1 + math.floor((max_wait - (turn - now)) / interval))
end
if taken > 0 or returned > 0 then
  local following = turn + taken * interval
  redis.call('SET', KEYS[1], string.format('%.6f %.6f', following, now),
    'PX', math.ceil((following - now) * 1000) + 1000)
end
return reply(string.format('%.6f', turn - now), string.format('%d', taken))
