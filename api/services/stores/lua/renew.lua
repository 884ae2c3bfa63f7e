-- KEYS: lock, mark.
-- ARGV: owner, lock_ms, mark_ms.
if redis.pcall('GET', KEYS[1]) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  local life = redis.call('PTTL', KEYS[2])
  if life >= 0 and life < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
end
return reply('', '')
