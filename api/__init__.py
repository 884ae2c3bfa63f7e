"""Flight price API: the cheapest flight from A to B on a day, in milliseconds."""

__version__ = "0.2.0"
