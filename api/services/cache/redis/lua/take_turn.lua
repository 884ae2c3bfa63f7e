-- KEYS: '<next_turn> <taken_at>': times of the next turn and of the last call that took one.
-- ARGV: interval, max_wait, tolerance.
local interval, max_wait = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.pcall('GET', KEYS[1])
local text = type(kept) == 'string' and kept or ''
local next_turn, taken_at = string.match(text, '^(%d+%.%d+) (%d+%.%d+)$')
-- Ignore a turn that was taken before the clock was set back.
local is_valid = taken_at and tonumber(taken_at) <= now + tonumber(ARGV[3])
  and tonumber(next_turn) < MAX
local turn = math.max(now, is_valid and tonumber(next_turn) or 0)
if turn - now <= max_wait then
  local following = turn + interval
  redis.call('SET', KEYS[1], string.format('%.6f %.6f', following, now),
    'PX', math.ceil((following - now) * 1000) + 1000)
end
return reply('turn', string.format('%.6f', turn - now))
