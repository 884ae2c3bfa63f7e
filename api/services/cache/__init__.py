"""The read-through cache and its stores. They know neither HTTP nor Amadeus."""
