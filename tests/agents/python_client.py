"""Calls each tool with the official Python SDK, and prints what came as JSON.

It runs in an environment of its own: `python_client.py <url> <mode> <day>`.
"""

import asyncio
import json
import sys

from mcp import MCPError
from mcp.client.client import Client


async def main(url: str, mode: str, day: str) -> None:
    route = {"origin": "JFK", "destination": "LAX"}
    async with Client(url, mode=mode) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        price = await client.call_tool("cheapest_price", {**route, "date": day})
        offer = await client.call_tool("cheapest_offer", {**route, "date": day})
        month = await client.call_tool("price_calendar", {**route, "from": day, "to": day})
        wrong = await client.call_tool("cheapest_price", {"origin": "JFKK"})
        try:
            await client.call_tool("no_such_tool", {})
        except MCPError as error:
            unknown = error.error.code
        seen = {
            "revision": client.protocol_version,
            "tools": tools,
            "price": price.structured_content["data"]["price"],
            "offer": offer.structured_content["data"]["price"],
            "month": month.structured_content["data"]["cheapest"]["price"],
            "error": json.loads(wrong.content[0].text)["code"] if wrong.is_error else None,
            "unknown": unknown,
        }
    sys.stdout.write(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
