-- KEYS: lock. ARGV: owner.
unlock(KEYS[1], ARGV[1])
return reply('', '')
