// Calls each tool with the official TypeScript SDK, and prints what came as JSON.
// typescript_client.mjs <url> <mode> <day>

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const [url, mode, day] = process.argv.slice(2);
const client = new Client(
  { name: "test", version: "1" },
  { versionNegotiation: { mode: mode === "legacy" ? mode : { pin: mode } } },
);
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const route = { origin: "JFK", destination: "LAX" };
const call = (name, args) => client.callTool({ name, arguments: args });

const tools = (await client.listTools()).tools.map((tool) => tool.name);
const price = await call("cheapest_price", { ...route, date: day });
const offer = await call("cheapest_offer", { ...route, date: day });
const month = await call("price_calendar", { ...route, from: day, to: day });
const wrong = await call("cheapest_price", { origin: "JFKK" });
const unknown = await call("no_such_tool", {}).catch((error) => error.code);
console.log(
  JSON.stringify({
    revision: client.getNegotiatedProtocolVersion(),
    tools,
    price: price.structuredContent.data.price,
    offer: offer.structuredContent.data.price,
    month: month.structuredContent.data.cheapest.price,
    error: wrong.isError ? JSON.parse(wrong.content[0].text).code : null,
    unknown,
  }),
);
await client.close();
