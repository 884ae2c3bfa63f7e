"use strict";

const EVERY_MS = 5000;
const TIMEOUT_MS = 4000;
const BARS = 60;
const STATES = { ready: ["well", "Healthy"], degraded: ["degraded", "Degraded"], starting: ["degraded", "Starting"], stopping: ["down", "Stopping"] };
const CHECK_TEXTS = {
  cache: "Redis fails, so each worker uses only its own copy of the cache.",
  token: "There is no valid access token, so no price can be fetched.",
  amadeus: "Amadeus fails or rejects this service: queries that are not in the cache get an error or the last known price.",
};
const PHASE_TEXTS = {
  starting: "The service is connecting to Redis and fetching an access token.",
  stopping: "The service is finishing its last requests.",
};

const element = (id) => document.getElementById(id);
const setText = (id, text) => { if (element(id).textContent !== text) element(id).textContent = text; };
const orDash = (value, text) => (value === null ? "–" : text(value));
const whole = (value) => Math.round(value).toLocaleString("en");
const percent = (value) => `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
const milliseconds = (seconds) => (seconds < 10 ? `${whole(1000 * seconds)} ms` : duration(seconds));

function duration(seconds) {
  const left = Math.max(0, Math.round(seconds));
  if (left < 90) return `${left} s`;
  if (left < 5400) return `${Math.round(left / 60)} min`;
  if (left < 172800) return `${Math.round(left / 3600)} h`;
  return `${Math.round(left / 86400)} days`;
}

function show(report) {
  const [state, word] = STATES[report.status];
  document.body.dataset.state = state;
  document.title = `${word}: flight price API`;
  setText("state", word);
  setText("reason", reason(report));
  setText("about", `${report.environment}, version ${report.version}`);
  for (const invented of ["sandbox", "duffel-test"]) element(invented).hidden = report.environment !== invented;

  const { lately, since_start: ever } = report;
  const minutes = duration(lately.seconds);
  setText("hit-ratio", orDash(lately.hit_ratio, percent));
  setText("saved", `${whole(lately.calls_saved)} in ${minutes}, ${whole(ever.calls_saved)} in all`);
  setText("lookups", `${whole(lately.lookups)} in ${minutes}, ${whole(ever.lookups)} in all`);
  setText("redis", redis(report.redis, report.workers));

  setText("latency", orDash(lately.latency, milliseconds));
  setText("error-rate", orDash(lately.error_rate, (rate) => `${percent(rate)} of ${whole(lately.calls)} in ${minutes}`));
  element("error-rate").classList.toggle("bad", lately.error_rate > 0);
  const open = report.breaker.open_workers;
  setText("breaker", open ? `open in ${whole(open)} of ${whole(report.workers)} workers` : "closed");
  element("breaker").classList.toggle("bad", open > 0);
  setText("pacing", report.pacing.waits ? `${whole(report.pacing.waits)} since the start, ${milliseconds(report.pacing.average)} on average` : "none since the start");
  setText("retries", `${report.retries ? whole(report.retries) : "none"} since the start`);
  for (const part of document.querySelectorAll(".provider")) part.hidden = !ever.provider_calls;
  setText("provider-calls", `${whole(ever.provider_calls)} for ${whole(ever.calls)} searches since the start`);

  showToken(report.token);
  setText("workers", whole(report.workers));
  setText("workers-word", report.workers === 1 ? "worker" : "workers");
  setText("environment", report.environment);
  setText("version", report.version);
  showErrors(report.problems);
  spark("spark-lookups", "Price queries", report.history.map((step) => step.lookups), whole);
  spark("spark-latency", "Time per call", report.history.map((step) => step.latency), milliseconds, report.history.map((step) => step.error_rate > 0));
}

function reason({ status, checks, lately }) {
  if (PHASE_TEXTS[status]) return PHASE_TEXTS[status];
  const wrong = Object.keys(CHECK_TEXTS).filter((name) => checks[name] !== "ok");
  if (wrong.length) return wrong.map((name) => CHECK_TEXTS[name]).join(" ");
  if (!lately.unmet) return "Prices are served, and everything that they need works.";
  return `Prices are served. In the last ${duration(lately.seconds)}, ${whole(lately.needed)} queries needed Amadeus, and ${whole(lately.unmet)} of them got no answer from it.`;
}

function redis(state, workers) {
  element("redis").classList.toggle("bad", Boolean(state && state.down_workers));
  if (!state) return "not used";
  if (state.down_workers) return `fails in ${whole(state.down_workers)} of ${whole(workers)} workers`;
  return state.errors ? `works; ${whole(state.errors)} errors so far` : "works";
}

function showToken(token) {
  const spent = token ? Math.min(1, token.age / token.refresh_at) : 0;
  element("token-bar").value = spent;
  const [figure, note] = tokenFigure(token);
  setText("token-refresh", figure);
  setText("token-note", note);
  setText("token-age", token ? duration(token.age) : "–");
  setText("token-life", token ? duration(token.life) : "–");
}

function tokenFigure(token) {
  if (!token) return ["none", "the next search fetches one"];
  if (token.age >= token.life) return ["expired", "the next search fetches another"];
  if (token.refresh_in <= 0) return ["due", "to be refreshed"];
  return [duration(token.refresh_in), "until it is refreshed"];
}

function showErrors(problems) {
  element("no-errors").hidden = problems.length > 0;
  element("errors").hidden = problems.length === 0;
  element("errors").tBodies[0].replaceChildren(...problems.map((problem) => {
    const row = document.createElement("tr");
    for (const text of [problem.code, `${duration(problem.ago)} ago`, whole(problem.count)]) {
      row.insertCell().textContent = text;
    }
    return row;
  }));
}

// Draws the last minutes as bars, newest at the right. A step without a value leaves a gap.
function spark(id, name, values, text, bad = []) {
  const numbers = values.filter((value) => value !== null);
  const top = Math.max(...numbers, 0);
  const svg = element(id);
  svg.setAttribute("viewBox", `0 0 ${BARS} 20`);
  svg.setAttribute("preserveAspectRatio", "none");
  const failed = bad.filter(Boolean).length;
  const failures = failed ? `; calls failed in ${failed} of ${values.length} steps` : "";
  svg.setAttribute("aria-label", numbers.length ? `${name} in the last minutes: at most ${text(top)}, now ${orDash(values.at(-1), text)}${failures}` : `${name}: no data yet`);
  svg.replaceChildren(...values.flatMap((value, index) => {
    if (!value) return [];
    const bar = document.createElementNS(svg.namespaceURI, "rect");
    const height = Math.max(1, (20 * value) / top);
    const attributes = { x: BARS - values.length + index + 0.1, y: 20 - height, width: 0.8, height };
    for (const [key, number] of Object.entries(attributes)) bar.setAttribute(key, number);
    if (bad[index]) bar.setAttribute("class", "bad");
    return [bar];
  }));
}

let updatedAt = null;
let paused = false;

async function refresh() {
  try {
    const answer = await fetch(`${location.origin}/status.json`, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
    if (!answer.ok) return showErrorStatus(answer.status);
    const report = await answer.json();
    updatedAt = Date.now();
    show(report);
    setText("updated", `Updated at ${new Date(updatedAt).toLocaleTimeString()}; refreshes every ${EVERY_MS / 1000} seconds.`);
  } catch {
    showNoReport("down", "Down", "The service does not answer.");
  }
}

function showErrorStatus(status) {
  if (status >= 500) showNoReport("down", "Down", `The service answered with status ${status}.`);
  else if (status === 401 || status === 403) showNoReport("unknown", "Unknown", "The service no longer accepts this browser's key. Reload the page to enter another one.");
  else showNoReport("unknown", "Unknown", `The service answered with status ${status}.`);
}

function showNoReport(state, word, why) {
  document.body.dataset.state = state;
  document.title = `${word}: flight price API`;
  setText("state", word);
  setText("reason", updatedAt ? `${why} The figures below are from ${new Date(updatedAt).toLocaleTimeString()}.` : why);
}

async function refreshForever() {
  if (!paused) await refresh();
  setTimeout(refreshForever, EVERY_MS);
}

element("pause").addEventListener("click", () => {
  paused = !paused;
  element("pause").setAttribute("aria-pressed", String(paused));
});

refreshForever();
