"""Data that is the same for every search: airlines, timetables and exchange rates."""
