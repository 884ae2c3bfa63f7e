"""The client for Amadeus. No other package knows its protocol."""
