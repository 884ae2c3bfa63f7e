"""Codes that requests and answers use: airports, cities and currencies."""
