-- KEYS: lock, marker.
-- ARGV: owner, lock_ms, marker_ms.
if redis.pcall('GET', KEYS[1]) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  extend_marker(KEYS[2], ARGV[3])
end
return reply('', '')
