"""The read-through and its stores. They know neither HTTP nor Amadeus."""
