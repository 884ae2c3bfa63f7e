// Requests to the service, with the API key that this tab keeps.

const KEY = "api-key";

export const saveKey = (key) => sessionStorage.setItem(KEY, key);
export const forgetKey = () => sessionStorage.removeItem(KEY);
export const hasKey = () => sessionStorage.getItem(KEY) !== null;

// The service answered with a problem document (RFC 9457).
export class Refused extends Error {
  constructor(answer, problem, hadKey) {
    super(problem.detail);
    this.name = "Refused";
    this.status = answer.status;
    this.code = problem.code;
    this.detail = problem.detail;
    this.faults = problem.errors ?? [];
    this.hadKey = hadKey;
    this.retryAfter = Number(answer.headers.get("Retry-After"));
  }
}

// The connection ended before the last line of a stream.
export class Cut extends Error {
  name = "Cut";
}

// The answer to a GET. Throws Refused, or the error of fetch if there is no answer.
export async function ask(path, accept, signal) {
  const key = sessionStorage.getItem(KEY);
  const answer = await fetch(location.origin + path, {
    headers: { Accept: accept, ...(key === null ? {} : { Authorization: `Bearer ${key}` }) },
    credentials: "omit", // not the operator's key that this browser may know for /status
    signal,
  });
  if (!answer.ok) throw new Refused(answer, await answer.json().catch(() => ({})), key !== null);
  return answer;
}

// The lines of an answer in NDJSON, each as soon as it arrives. Throws Cut if the connection breaks.
export async function* lines(answer) {
  let text = "";
  try {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const whole = (text + part.value).split("\n");
      text = whole.pop();
      yield* whole.map((line) => JSON.parse(line));
    }
  } catch (error) {
    throw error.name === "AbortError" ? error : new Cut();
  }
}
