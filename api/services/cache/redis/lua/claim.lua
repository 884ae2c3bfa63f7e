-- KEYS: entry, lock, mark.
-- ARGV: owner, not_before, arrived, background ('1' or '0'), lock_ms, background_pause, tolerance,
--   mark_ms.
local owner, background = ARGV[1], ARGV[4] == '1'
local not_before, arrived = tonumber(ARGV[2]), tonumber(ARGV[3])

local entry, fetched_at, stored_at, ttl = read(KEYS[1])
if entry and fetched_at <= now + tonumber(ARGV[7]) and fetched_at >= not_before
    and (fetched_at + ttl > arrived or stored_at >= arrived) then
  return reply('entry', entry)
end

local mark, failed_at, pause, tries = read(KEYS[3])
-- One from the future would answer until then: it is from before the clock was set back.
if mark and failed_at <= now + tonumber(ARGV[7]) then
  if background then
    if now < failed_at + math.max(pause, tonumber(ARGV[6])) then return reply('wait', '') end
  elseif arrived <= failed_at + pause then
    return reply('failure', mark)
  end
end

-- Every lock of ours expires; one that does not, or later than any does, is nobody's.
local life = redis.call('PTTL', KEYS[2])
if life == -1 or life > tonumber(ARGV[5]) then redis.call('DEL', KEYS[2]) end
if redis.call('SET', KEYS[2], owner, 'NX', 'PX', ARGV[5]) then
  keep_mark(KEYS[3], ARGV[8])
  return reply('granted', string.format('%d', tries or 0))
end
return reply('wait', '')
