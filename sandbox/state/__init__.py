"""The state of a running sandbox: tokens, limits, counters and settings."""
