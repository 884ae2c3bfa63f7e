"""How Amadeus is asked. Nothing outside knows its protocol."""
