-- KEYS: lock, marker.
-- ARGV: owner, error, pause, tries, marker_ms.
local holder = unlock(KEYS[1], ARGV[1])
local marker = string.format('1 %.6f %.6f %s\n', now, tonumber(ARGV[3]), ARGV[4]) .. ARGV[2]
-- If another owner has the lock now, its fetch decides what the waiting callers get.
if not holder or holder == ARGV[1] then
  redis.call('SET', KEYS[2], marker, 'PX', ARGV[5])
end
return reply('failure', marker)
