-- KEYS: entry. ARGV: fetched_at.
local entry, fetched_at = read(KEYS[1])
if entry and fetched_at == tonumber(ARGV[1]) then redis.call('DEL', KEYS[1]) end
return reply('', '')
