-- KEYS: '<fetched_at> <parts>': the parts of an entry's TTL in which all workers read it.
-- ARGV: fetched_at, parts, life_ms.
local kept = redis.pcall('GET', KEYS[1])
local text = type(kept) == 'string' and kept or ''
local fetched_at, others = string.match(text, '^(%d+%.%d+) (%d+)$')
local parts = tonumber(ARGV[2])
if fetched_at == ARGV[1] and tonumber(others) < 2 ^ 31 then
  parts = bit.bor(parts, tonumber(others))
end
redis.call('SET', KEYS[1], string.format('%s %d', ARGV[1], parts), 'PX', ARGV[3])
return reply('parts', string.format('%d', parts))
