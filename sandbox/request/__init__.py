"""Parses and validates searches."""
