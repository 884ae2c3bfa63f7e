"""From a search to its offers."""
