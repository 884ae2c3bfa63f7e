"""Faults: which there are, which are set, and how they are played."""
