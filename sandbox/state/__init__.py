"""What a running sandbox remembers: tokens, limits, counters, settings."""
