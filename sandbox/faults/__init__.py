"""Fault injection: the kinds of faults, the active ones, and how they change answers."""
