-- KEYS: lock, mark.
-- ARGV: owner, error, pause, tries, mark_ms.
local holder = unlock(KEYS[1], ARGV[1])
local mark = string.format('1 %.6f %.6f %s\n', now, tonumber(ARGV[3]), ARGV[4]) .. ARGV[2]
-- Whoever lost the lock to somebody else says nothing for those who wait on that one.
if not holder or holder == ARGV[1] then
  redis.call('SET', KEYS[2], mark, 'PX', ARGV[5])
end
return reply('failure', mark)
