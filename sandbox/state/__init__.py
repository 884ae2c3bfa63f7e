"""The state of a running sandbox: limits, counters and settings."""
