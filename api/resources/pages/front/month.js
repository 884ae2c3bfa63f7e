// The grid of a month: one button for each day, which fills as the days arrive.

import { later, monthName, reason, shortDay, span, weekday } from "/page/words.js";

const LEVELS = 5;
// A day that is over everywhere on Earth cannot be asked. The last time zone is UTC-12.
const LAST_ZONE_MS = 12 * 3600 * 1000;
// A cell says how old its price is from this age on, in seconds.
const OLD = 600;

const table = document.getElementById("grid");
let days = new Map(); // by ISO date: the button, and what is known of the day

const iso = (date) => date.toISOString().slice(0, 10);

// Draws an empty month, like 2026-12. Returns the number of days that can be asked.
export function draw(month) {
  const first = new Date(`${month}-01`);
  const today = iso(new Date(Date.now() - LAST_ZONE_MS));
  const rows = [];
  days = new Map();
  let row;
  for (const date = new Date(first); date.getUTCMonth() === first.getUTCMonth(); date.setUTCDate(date.getUTCDate() + 1)) {
    const column = (date.getUTCDay() + 6) % 7; // Monday is 0
    if (!row || column === 0) {
      row = document.createElement("tr");
      rows.push(row);
      for (let index = 0; index < 7; index += 1) row.insertCell();
    }
    const day = iso(date);
    if (day < today) row.cells[column].append(over(date));
    else days.set(day, { button: row.cells[column].appendChild(dayButton(day)) });
  }
  table.tBodies[0].replaceChildren(...rows);
  for (const day of days.keys()) write(day, { waits: true });
  rove(days.keys().next().value);
  return days.size;
}

function over(date) {
  const text = document.createElement("span");
  text.className = "over";
  text.append(String(date.getUTCDate()), unseen(" is over"));
  return text;
}

function dayButton(day) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.day = day;
  return button;
}

const part = (name, text) => {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
};
const unseen = (text) => part("unseen", text);

// Shows what is known of a day: `price` (null: nothing flies) with its `age`, or a `code`.
export function write(day, known) {
  const entry = days.get(day);
  if (!entry) return;
  entry.known = known;
  entry.button.dataset.state = known.waits ? "waits" : known.price ? "price" : "none";
  const number = part("number", String(Number(day.slice(8))));
  const mark = entry.cheapest ? [unseen(", cheapest"), part("mark", "★")] : [];
  entry.button.replaceChildren(unseen(`${weekday(day)} `), number, unseen(` ${monthName(day)}: `), ...words(known), ...mark);
  color();
}

function words({ waits, code, price, age }) {
  if (waits) return [part("note", "…"), unseen("not known yet")];
  if (code) return [part("note", "no price"), unseen(`: ${reason(code)}`)];
  const old = age >= OLD ? [unseen(", "), part("note", `${span(age)} old`)] : [];
  if (price === null) return [part("note", "nothing flies"), ...old];
  const [amount, currency] = price.split(" ");
  const [whole, fraction] = amount.split(".");
  const money = part("money", "");
  money.append(whole);
  if (fraction) money.append(document.createElement("wbr"), `.${fraction}`);
  money.append(" ", part("currency", currency));
  money.ariaHidden = "true"; // a screen reader would pause where the line may break
  return [unseen(price), money, ...old];
}

// Marks the cheapest day, as the service defines it. Returns it; undefined if nothing flies.
export function markCheapest() {
  const comparable = comparableDays();
  const low = Math.min(...comparable.map(amount));
  const cheapest = comparable.find((entry) => amount(entry) === low);
  for (const [day, entry] of days) {
    entry.cheapest = entry === cheapest;
    entry.button.classList.toggle("cheapest", entry.cheapest);
    write(day, entry.known);
  }
  return cheapest?.button.dataset.day;
}

const amount = ({ known }) => Number(known.price.split(" ")[0]);

// The days with a price in the most common currency.
function comparableDays() {
  const priced = [...days.values()].filter(({ known }) => known?.price);
  const currency = mostCommon(priced.map(({ known }) => known.price.split(" ")[1]));
  return priced.filter(({ known }) => known.price.endsWith(currency));
}

// Colours the comparable prices, from the cheapest to the dearest.
function color() {
  const comparable = comparableDays();
  const low = Math.min(...comparable.map(amount));
  const high = Math.max(...comparable.map(amount));
  for (const { button } of days.values()) delete button.dataset.level;
  for (const entry of comparable) {
    const place = high > low ? (amount(entry) - low) / (high - low) : 0;
    entry.button.dataset.level = Math.min(LEVELS - 1, Math.floor(place * LEVELS));
  }
}

function mostCommon(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a))[0] ?? "";
}

// Marks the day whose flight is shown, or none.
export function markChosen(day) {
  for (const [other, { button }] of days) {
    if (other === day) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

export const known = (day) => days.get(day)?.known;
export const waiting = () => [...days].filter(([, { known }]) => known.waits).map(([day]) => day);
export const arrived = () => days.size - waiting().length;
// The number of days with an answer: a price, or that nothing flies.
export const answered = () => [...days.values()].filter(({ known }) => !known.waits && !known.code).length;

// The days without an answer, as a line of text for each reason.
export function missing() {
  const byCode = new Map();
  for (const [day, { known: { code } }] of days) {
    if (code) byCode.set(code, [...(byCode.get(code) ?? []), day]);
  }
  return [...byCode].map(([code, some]) => `${runs(some).join(", ")}: ${reason(code)}.`);
}

// The names of days, with the first and the last of those that follow each other.
function runs(some) {
  const found = [];
  for (const day of some) {
    const last = found.at(-1);
    if (last && later(last.at(-1), 1) === day) last.push(day);
    else found.push([day]);
  }
  return found.map((run) => (run.length > 1 ? `${shortDay(run[0])} to ${shortDay(run.at(-1))}` : shortDay(run[0])));
}

export const focus = (day) => days.get(day)?.button.focus();

// Calls `chosen` with the day of a button that is pressed, and moves between them by arrow keys.
export function listen(chosen) {
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) chosen(button.dataset.day);
  });
  table.addEventListener("focusin", (event) => rove(event.target.dataset.day));
  table.addEventListener("keydown", (event) => {
    const day = event.target.dataset.day;
    if (!day || event.altKey || event.ctrlKey || event.metaKey) return;
    const other = target(day, event.key);
    if (other === undefined) return;
    event.preventDefault();
    focus(other);
  });
}

// The day that a key leads to; undefined for a key that leads nowhere.
function target(day, key) {
  const week = [...days.keys()].filter((other) => rowOf(other) === rowOf(day));
  if (key === "Home") return week[0];
  if (key === "End") return week.at(-1);
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[key];
  return step && later(day, step);
}

const rowOf = (day) => days.get(day).button.closest("tr");

// Makes one day the stop of the Tab key.
function rove(day) {
  for (const [other, { button }] of days) button.tabIndex = other === day ? 0 : -1;
}
