"""POST /mcp: the Model Context Protocol, for agents."""
