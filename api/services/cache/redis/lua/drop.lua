-- KEYS: entry. ARGV: fetched_at, channel, name.
local entry, fetched_at = read(KEYS[1])
if entry and fetched_at == tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[2], ARGV[3] .. '\n' .. ARGV[1])
end
return reply('', '')
