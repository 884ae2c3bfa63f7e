"""Data that is the same for every search: airports, airlines, timetables and currencies."""
