-- KEYS: lock, mark.
-- ARGV: owner, lock_ms, mark_ms.
if redis.pcall('GET', KEYS[1]) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  keep_mark(KEYS[2], ARGV[3])
end
return reply('', '')
