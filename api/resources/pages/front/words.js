// Days, and words for days, ages, durations and errors. Nothing here touches the page or the network.

const format = (options) => {
  const formatter = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
  return (day) => formatter.format(new Date(day));
};

export const longDay = format({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
export const shortDay = format({ day: "numeric", month: "long" });
export const weekday = format({ weekday: "long" });
export const monthName = format({ month: "long" });
export const monthAndYear = format({ month: "long", year: "numeric" });

export const isDay = (text) => !Number.isNaN(Date.parse(text));

// The day so many days later; an empty text if the number is none.
export function later(day, number) {
  const date = new Date(day);
  date.setUTCDate(date.getUTCDate() + number);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString().slice(0, 10);
}

export const count = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

// A time span, like "20 minutes".
export function span(seconds) {
  if (seconds < 90) return count(Math.round(seconds), "second");
  if (seconds < 5400) return count(Math.round(seconds / 60), "minute");
  if (seconds < 172800) return count(Math.round(seconds / 3600), "hour");
  return count(Math.round(seconds / 86400), "day");
}

// An ISO 8601 duration, like "6 h 12 min" for PT6H12M.
export function duration(text) {
  const [, days, hours, minutes] = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?$/.exec(text ?? "") ?? [];
  const parts = [[days, "d"], [hours, "h"], [minutes, "min"]];
  return parts.filter(([number]) => number).map(([number, unit]) => `${number} ${unit}`).join(" ");
}

export const stops = (number) => (number === 0 ? "nonstop" : count(number, "stop"));

export function bags(number) {
  if (number === null) return "checked bags by weight, or not stated";
  return number === 0 ? "no checked bag" : count(number, "checked bag");
}

const REASONS = {
  "amadeus-bad-answer": "the answer of Amadeus cannot be read",
  "amadeus-misconfigured": "Amadeus does not accept the credentials of this service",
  "amadeus-quota": "the monthly quota at Amadeus is used up",
  "amadeus-timeout": "Amadeus did not answer in time",
  "amadeus-unavailable": "Amadeus is not available",
  "not-arrived": "it has not arrived",
  "not-asked": "it is too far ahead",
  "not-in-time": "there was no time left to ask",
  "not-known": "the price is not known",
  "rejected-by-amadeus": "Amadeus rejected the search",
  "too-many-requests": "your allowance is used up",
};

// Why a day or an answer is missing, from the code of its problem.
export const reason = (code) => REASONS[code] ?? `the service says ${code}`;

const sentence = (text) => text[0].toUpperCase() + text.slice(1);

// What went wrong, for an error of `service.js`.
export function explanation(error) {
  if (error.name === "Cut") return "The connection broke before all days had arrived.";
  if (error.name !== "Refused") return "The service does not answer. Check your connection.";
  const { status, code, detail, retryAfter } = error;
  const wait = retryAfter ? ` Try again in ${span(retryAfter)}.` : "";
  if (code in REASONS) return `${sentence(reason(code))}.${wait}`;
  return `${detail ?? `The service answered with status ${status}.`}${wait}`;
}
