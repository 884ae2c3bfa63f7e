"""Finds and prices the offers of a search."""
