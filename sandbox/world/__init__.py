"""What is the same for every search: airports, airlines, timetables, money."""
