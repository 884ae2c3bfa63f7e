"""What a search asks for: reading and checking it."""
