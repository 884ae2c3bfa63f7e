// The page at /: a search form, the month that it finds, and the flight of a chosen day.
//
// The address of the page is the state: `?origin=MAD&destination=NYC&month=2026-12` and, once a day
// is chosen, `&day=2026-12-08`. So it can be shared, and the browser's back button works.

import * as flights from "/page/flight.js";
import * as month from "/page/month.js";
import { ask, Cut, forgetKey, hasKey, lines, saveKey } from "/page/service.js";
import { explanation, longDay, monthAndYear, span } from "/page/words.js";

const MONTHS_AHEAD = 12;
const ANNOUNCE_EVERY = 10; // days

const element = (id) => document.getElementById(id);
const setText = (id, text) => { element(id).textContent = text; };
const show = (id, shown) => { element(id).hidden = !shown; };
const announce = (text) => setText("live", text);
const search = element("search");

let shownMonth = null; // the query of the month on the page
let monthRequest = new AbortController();
let flightRequest = new AbortController();
let retry = () => {}; // what failed for want of a key, or in another way

// The query of the form: without what is empty, or as the service assumes it anyway.
function formQuery() {
  const fields = [...search.elements].filter(({ name, value, type, defaultValue }) =>
    name && value.trim() && !(type === "number" && value === defaultValue));
  return new URLSearchParams(fields.map(({ name, value }) => [name, value.trim()]));
}

// The query in the address, without parameters that the form does not have.
function addressQuery() {
  const all = new URLSearchParams(location.search);
  return new URLSearchParams([...all].filter(([name]) => search.elements.namedItem(name)));
}

const chosenDay = () => new URLSearchParams(location.search).get("day");

function visit(query, day) {
  const all = new URLSearchParams(query);
  if (day) all.set("day", day);
  history.pushState(null, "", `?${all}`);
}

function fillForm(query) {
  const values = Object.fromEntries(query);
  if (values.month) addMonth(values.month);
  for (const field of search.elements) {
    if (field.name) field.value = values[field.name] ?? field.defaultValue ?? field.options[0].value;
  }
  if ([...element("more").querySelectorAll("[name]")].some(({ name }) => name in values)) element("more").open = true;
}

function addMonth(value) {
  const choices = element("month");
  if ([...choices.options].some((option) => option.value === value)) return;
  choices.add(new Option(/^\d{4}-(0[1-9]|1[0-2])$/.test(value) ? monthAndYear(value) : value, value));
}

function addMonths() {
  const now = new Date();
  for (let ahead = 0; ahead <= MONTHS_AHEAD; ahead += 1) {
    addMonth(new Date(Date.UTC(now.getFullYear(), now.getMonth() + ahead)).toISOString().slice(0, 7));
  }
}

// Shows what the address says.
function showAddress() {
  const query = addressQuery();
  fillForm(query);
  if (String(query) !== shownMonth) showMonth(query);
  showFlight(query, chosenDay());
}

async function showMonth(query) {
  monthRequest.abort();
  monthRequest = new AbortController();
  const { signal } = monthRequest;
  shownMonth = String(query);
  clearProblems();
  show("result", false);
  if (!shownMonth) return;
  retry = () => showMonth(query);
  announce("Asking for the prices.");
  setText("summary", "");
  show("missing", false);
  element("search").setAttribute("aria-busy", "true");
  try {
    await fillMonth(query, signal);
  } catch (error) {
    if (error.name !== "AbortError") showProblem(error, "month");
  } finally {
    if (!signal.aborted) element("search").removeAttribute("aria-busy");
  }
}

async function fillMonth(query, signal) {
  const answer = await ask(`/flights/calendar?${query}`, "application/x-ndjson", signal);
  showEnvironment(answer);
  setText("result-title", `${query.get("origin")} to ${query.get("destination")}, ${monthAndYear(query.get("month"))}`.toUpperCase());
  const expected = month.draw(query.get("month"));
  show("result", true);
  show("progress-line", true);
  element("progress").max = expected;
  showProgress(expected);
  for await (const line of lines(answer)) {
    if (!line.departure_date) return finishMonth(line);
    month.write(line.departure_date, line);
    showProgress(expected);
  }
  throw new Cut();
}

function showProgress(expected) {
  const arrived = month.arrived();
  element("progress").value = arrived;
  setText("progress-text", `${arrived} of ${expected} days`);
  if (arrived && arrived % ANNOUNCE_EVERY === 0) announce(`${arrived} of ${expected} days have arrived.`);
}

function finishMonth({ cheapest, missing }) {
  for (const { departure_date: day, code } of missing) month.write(day, { code });
  show("progress-line", false);
  showMissing();
  const text = cheapest ? `Cheapest: ${longDay(cheapest.departure_date)}, ${cheapest.price}.` : "Nothing flies on the days that are known.";
  if (cheapest) month.markCheapest(cheapest.departure_date);
  setText("summary", text);
  announce(missing.length ? `${text} ${missing.length} days have no answer.` : text);
}

function showMissing() {
  const texts = month.missing();
  show("missing", texts.length > 0);
  element("missing-list").replaceChildren(...texts.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
}

async function showFlight(query, day) {
  flightRequest.abort();
  flightRequest = new AbortController();
  const { signal } = flightRequest;
  month.markChosen(day);
  show("flight", Boolean(day));
  if (!day) return;
  setText("flight-title", flights.title(day));
  const path = `/flights/offer?${offerQuery(query, day)}`;
  const body = (...parts) => element("flight-body").replaceChildren(...parts, flights.command(path, hasKey()));
  body("Asking for the flight.");
  element("flight-title").focus();
  try {
    const answer = await ask(path, "application/json", signal);
    showEnvironment(answer);
    const { data } = await answer.json();
    const found = { age: Number(answer.headers.get("Age")), cache: answer.headers.get("X-Cache") };
    body(...flights.flight(data, found));
    announce(`${data.price}`);
  } catch (error) {
    if (error.name === "AbortError") return;
    body(explanation(error));
    announce(explanation(error));
    if (error.status === 401) showKeyForm(error);
  }
}

// The query for the offer of a day: `month` becomes `date`, and `nights` becomes `return_date`.
function offerQuery(query, day) {
  const { month: _, nights, ...rest } = Object.fromEntries(query);
  const back = new Date(day);
  back.setUTCDate(back.getUTCDate() + Number(nights));
  return new URLSearchParams({ ...rest, date: day, ...(nights ? { return_date: back.toISOString().slice(0, 10) } : {}) });
}

function showEnvironment(answer) {
  show("sandbox", answer.headers.get("X-Amadeus-Environment") === "sandbox");
}

function clearProblems() {
  show("problem", false);
  show("key-form", false);
  for (const field of search.elements) setFault(field.name, "");
}

function setFault(name, text) {
  const place = name && element(`fault-${name}`);
  if (!place) return false;
  place.textContent = text;
  if (text) element(name).setAttribute("aria-invalid", "true");
  else element(name).removeAttribute("aria-invalid");
  return true;
}

function showProblem(error) {
  if (error.status === 401 || error.status === 403) return showKeyForm(error);
  const elsewhere = (error.faults ?? []).filter(({ parameter, detail }) => !setFault(parameter, `${detail}.`));
  const first = search.querySelector("[aria-invalid]");
  if (first) {
    if (element("more").contains(first)) element("more").open = true;
    first.focus();
  }
  const faults = elsewhere.map(({ parameter, detail }) => `${parameter} ${detail}.`).join(" ");
  setText("problem-text", first ? `Please correct the search. ${faults}` : explanation(error));
  show("problem-retry", !first);
  show("problem", true);
}

function showKeyForm(error) {
  setText("key-reason", hasKey() ? error.detail : "Its operator gives out the keys.");
  forgetKey();
  show("key-form", true);
  element("key").focus();
}

search.addEventListener("submit", (event) => {
  event.preventDefault();
  const query = formQuery();
  if (String(query) !== String(addressQuery()) || chosenDay()) visit(query);
  shownMonth = null;
  showAddress();
});
element("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  saveKey(element("key").value.trim());
  element("key").value = "";
  shownMonth = null;
  showAddress();
});
for (const id of ["problem-retry", "missing-retry"]) element(id).addEventListener("click", () => retry());
element("flight-close").addEventListener("click", closeFlight);
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && chosenDay()) closeFlight(); });
addEventListener("popstate", showAddress);
month.listen((day) => { visit(addressQuery(), day); showFlight(addressQuery(), day); });

function closeFlight() {
  const day = chosenDay();
  visit(addressQuery());
  showAddress();
  month.focus(day);
}

addMonths();
showAddress();
