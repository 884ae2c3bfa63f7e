// The flight of a day: what its price buys.

import { bags, duration, shortDay, span, stops } from "/page/words.js";

export const make = (name, text, ...children) => {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
};

// What is known of a flight. age: seconds since its price was fetched; cache: how it was found.
export function flight(offer, age, cache) {
  const { airline, seats_left: seats, book_by: bookBy, itineraries } = offer;
  const facts = [
    airline && (airline.name ? `${airline.name} (${airline.code})` : airline.code),
    seats && `${seats === 9 ? "9 or more" : seats} ${seats === 1 ? "seat" : "seats"} left at this price`,
    bookBy && `book by ${shortDay(bookBy)}`,
  ].filter(Boolean);
  const price = make("p", offer.price);
  price.className = "figure";
  return [
    price,
    make("p", facts.join("; ")),
    make("p", freshness(age, cache)),
    ...itineraries.map((itinerary, index) => trip(itinerary, itineraries.length > 1 ? ["Outbound", "Return"][index] : "")),
  ];
}

function freshness(age, cache) {
  if (cache === "stale") return `Amadeus does not answer now. This is the last known price, ${span(age)} old.`;
  return age < 60 ? "The price is less than a minute old." : `The price is ${span(age)} old.`;
}

function trip({ duration: length, stops: number, segments }, name) {
  const route = [segments[0]?.from, ...segments.map(({ to }) => to)].map((place) => place ?? "?").join(" – ");
  const about = [duration(length), number === null ? "" : stops(number)].filter(Boolean).join(", ");
  return make("article", "", make("h3", [name, route].filter(Boolean).join(": ")), make("p", about), make("ol", "", ...segments.map(leg)));
}

function leg({ flight: number, operated_by: operator, from, departs, to, arrives, aircraft, cabin, checked_bags: luggage }) {
  const facts = [
    operator && !number?.startsWith(operator) && `operated by ${operator}`,
    cabin && cabin.toLowerCase().replace("_", " "),
    bags(luggage),
    aircraft && `aircraft ${aircraft}`,
  ].filter(Boolean);
  return make("li", "", make("strong", number ?? "Flight number not stated"), `: ${moment(departs, from)} to ${moment(arrives, to)}. `, make("small", `${facts.join(", ")}.`));
}

// A time at a place, like "JFK, 28 December 07:30". It is local to the airport.
function moment(time, place) {
  const when = time ? `${shortDay(time.slice(0, 10))} ${time.slice(11, 16)}` : "time not stated";
  return `${place ?? "place not stated"}, ${when}`;
}

// The command that gets the same answer. A key stays out of it.
export function command(path, needsKey) {
  const key = needsKey ? ' -H "Authorization: Bearer $API_KEY"' : "";
  return make("div", "", make("p", "The same with curl:"), make("pre", "", make("code", `curl${key} '${location.origin}${path}'`)));
}

