// The page at /: a search form, the month that it finds, and the flight of a chosen day.
//
// The address of the page is its state: `?origin=MAD&destination=NYC&month=2026-12`, and
// `&day=2026-12-08` once a day is chosen. So it can be shared, and the back button works.

import { command, flight, make } from "/page/flight.js";
import * as month from "/page/month.js";
import { ask, Cut, forgetKey, hasKey, lines, saveKey } from "/page/service.js";
import { count, explanation, isDay, later, longDay, monthAndYear } from "/page/words.js";

const MONTHS_AHEAD = 12;
const ANNOUNCE_EVERY = 10; // days

const element = (id) => document.getElementById(id);
const setText = (id, text) => { element(id).textContent = text; };
const show = (id, shown) => { element(id).hidden = !shown; };
const announce = (text) => setText("live", text);
const search = element("search");

let shownMonth = ""; // the query of the month on the page
let monthRequest = new AbortController();
let flightRequest = new AbortController();

// The query of the form, without what is empty or what the service assumes anyway.
function formQuery() {
  const given = [...search.elements].filter(({ name, value, type, defaultValue }) =>
    name && value.trim() && !(type === "number" && value === defaultValue));
  return new URLSearchParams(given.map(({ name, value }) => [name, value.trim()]));
}

// The query of the address, without parameters that the form does not have.
function addressQuery() {
  const all = [...new URLSearchParams(location.search)];
  return new URLSearchParams(all.filter(([name]) => search.elements.namedItem(name)));
}

// The chosen day of the address, or null.
function chosenDay() {
  const day = new URLSearchParams(location.search).get("day");
  return isDay(day) ? day : null;
}

function visit(query, day) {
  const all = new URLSearchParams(query);
  if (day) all.set("day", day);
  history.pushState(null, "", `?${all}`);
}

function fillForm(query) {
  search.reset();
  if (query.has("month")) addMonth(query.get("month"));
  for (const [name, value] of query) element(name).value = value;
  if ([...query.keys()].some((name) => element("more").contains(element(name)))) element("more").open = true;
}

function addMonth(value, isDefault = false) {
  const months = element("month");
  if ([...months.options].some((option) => option.value === value)) return;
  const text = /^\d{4}-(0[1-9]|1[0-2])$/.test(value) ? monthAndYear(value) : value;
  months.add(new Option(text, value, isDefault, isDefault));
}

function addMonths() {
  const now = new Date();
  for (let ahead = 0; ahead <= MONTHS_AHEAD; ahead += 1) {
    const first = new Date(Date.UTC(now.getFullYear(), now.getMonth() + ahead));
    addMonth(first.toISOString().slice(0, 7), ahead === 1);
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
  shownMonth = String(query);
  clearProblems();
  show("result", false);
  if (!shownMonth) return;
  announce("Asking for prices.");
  try {
    await fillMonth(query, monthRequest.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.name === "Cut") endMonth("not-arrived", false);
    showProblem(error);
  }
}

async function fillMonth(query, signal) {
  const answer = await ask(`/flights/calendar?${query}`, "application/x-ndjson", signal);
  showEnvironment(answer);
  const days = month.draw(query.get("month"));
  month.markChosen(chosenDay());
  const route = `${query.get("origin").toUpperCase()} to ${query.get("destination").toUpperCase()}`;
  const title = `${route}, ${monthAndYear(query.get("month"))}`;
  setText("result-title", title);
  document.title = `${title}: flight prices`;
  setText("summary", "");
  show("missing", false);
  show("progress-line", true);
  element("progress").max = days;
  showProgress(days);
  show("result", true);
  for await (const line of lines(answer)) {
    if (!line.departure_date) return finishMonth(line);
    month.write(line.departure_date, line);
    showProgress(days);
  }
  throw new Cut();
}

function showProgress(days) {
  const arrived = month.arrived();
  element("progress").value = arrived;
  setText("progress-text", `${arrived} of ${days} days`);
  if (arrived && arrived % ANNOUNCE_EVERY === 0) announce(`${arrived} of ${days} days have arrived.`);
}

function finishMonth({ missing }) {
  for (const { departure_date: day, code } of missing) month.write(day, { code });
  endMonth("not-asked", missing.length > 0);
  const text = showCheapest();
  announce(missing.length ? `${text} Unknown days: ${missing.length}.` : text);
}

// No other day will come: gives those that wait the code of a reason.
function endMonth(code, canAskAgain) {
  for (const day of month.waiting()) month.write(day, { code });
  show("progress-line", false);
  showMissing();
  show("missing-retry", canAskAgain);
}

// Marks and names the cheapest day of those that are known. Returns the text.
function showCheapest() {
  const day = month.markCheapest();
  const isWhole = month.missing().length === 0;
  const among = isWhole ? "" : ` of ${count(month.answered(), "known day")}`;
  const when = isWhole ? `in ${monthAndYear(new URLSearchParams(shownMonth).get("month"))}` : "on the days that are known";
  const text = day ? `Cheapest${among}: ${longDay(day)}, ${month.known(day).price}.` : `Nothing flies ${when}.`;
  setText("summary", text);
  return text;
}

function showMissing() {
  const texts = month.missing();
  show("missing", texts.length > 0);
  element("missing-list").replaceChildren(...texts.map((text) => make("li", text)));
}

async function showFlight(query, day) {
  flightRequest.abort();
  flightRequest = new AbortController();
  month.markChosen(day);
  show("flight", Boolean(day));
  if (!day) return;
  setText("flight-title", longDay(day));
  const path = `/flights/offer?${offerQuery(query, day)}`;
  const fill = (...parts) => element("flight-body").replaceChildren(...parts, command(path, hasKey()));
  fill(make("p", "Asking for the flight."));
  try {
    const answer = await ask(path, "application/json", flightRequest.signal);
    showEnvironment(answer);
    const { data } = await answer.json();
    const age = Number(answer.headers.get("Age"));
    fill(...flight(data, age, answer.headers.get("X-Cache")));
    learn(day, { price: data.price, age });
    announce(`${longDay(day)}: ${data.price}.`);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.code === "no-offers") learn(day, { price: null, age: 0 });
    if (isKeyProblem(error)) showKeyForm(error);
    const retry = make("button", "Try again");
    retry.type = "button";
    retry.addEventListener("click", () => showFlight(query, day));
    fill(make("p", explanation(error)), ...(error.code === "no-offers" ? [] : [retry]));
    announce(explanation(error));
  }
}

// Shows in the grid what the flight says of its day.
function learn(day, known) {
  month.write(day, known);
  showMissing();
  if (element("summary").textContent) showCheapest(); // the month has arrived
}

// The query for the offer of a day: `month` becomes `date`, and `nights` becomes `return_date`.
function offerQuery(query, day) {
  const offer = new URLSearchParams(query);
  offer.delete("month");
  offer.delete("nights");
  offer.set("date", day);
  if (query.has("nights")) offer.set("return_date", later(day, Number(query.get("nights"))));
  return offer;
}

function showEnvironment(answer) {
  const environment = answer.headers.get("X-Amadeus-Environment");
  for (const invented of ["sandbox", "duffel-test"]) show(invented, environment === invented);
}

function clearProblems() {
  show("problem", false);
  show("key-form", false);
  for (const { name } of search.elements) setFault(name, "");
}

// Writes a fault next to its field. Returns whether there is such a field.
function setFault(name, text) {
  const place = name && element(`fault-${name}`);
  if (!place) return false;
  place.textContent = text;
  if (text) element(name).setAttribute("aria-invalid", "true");
  else element(name).removeAttribute("aria-invalid");
  return true;
}

function showProblem(error) {
  announce("");
  if (isKeyProblem(error)) return showKeyForm(error);
  const faults = error.faults ?? [];
  const others = faults.filter(({ parameter, detail }) => !setFault(parameter, `${detail}.`));
  const field = search.querySelector("[aria-invalid]");
  if (field && element("more").contains(field)) element("more").open = true;
  show("problem", true);
  show("problem-retry", !field);
  setText("problem-text", field ? ["Please correct the search.", ...others.map(({ parameter, detail }) => `${parameter} ${detail}.`)].join(" ") : explanation(error));
  field?.focus();
}

const isKeyProblem = ({ status }) => status === 401 || status === 403;

function showKeyForm({ hadKey, detail }) {
  setText("key-reason", hadKey ? detail : "Its operator gives out keys.");
  forgetKey();
  show("key-form", true);
  element("key").focus();
}

// Asks again for everything that the address says.
function askAgain() {
  shownMonth = "";
  showAddress();
}

function choose(day) {
  visit(addressQuery(), day);
  showFlight(addressQuery(), day);
  element("flight-title").focus();
}

function closeFlight() {
  const day = chosenDay();
  visit(addressQuery());
  showFlight(addressQuery(), null);
  month.focus(day);
}

search.addEventListener("submit", (event) => {
  event.preventDefault();
  visit(formQuery());
  askAgain();
});
element("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  saveKey(element("key").value.trim());
  element("key").value = "";
  askAgain();
});
element("problem-retry").addEventListener("click", askAgain);
element("missing-retry").addEventListener("click", askAgain);
element("flight-close").addEventListener("click", closeFlight);
addEventListener("keydown", ({ key }) => { if (key === "Escape" && chosenDay()) closeFlight(); });
addEventListener("popstate", showAddress);
month.listen(choose);

addMonths();
showAddress();
