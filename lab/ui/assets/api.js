// Asks the server. The token comes in the address after #, which stays in the browser, and is
// kept for this tab; it is sent in a header, so no other site's request can carry it.

const KEY = "edge-lab-token";

function readToken() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    sessionStorage.setItem(KEY, found);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEY) ?? "";
}

let token = readToken();
// A new address typed into the same tab changes only what is after #.
addEventListener("hashchange", () => {
  const before = token;
  token = readToken();
  if (token !== before) location.reload();
});

export class Refused extends Error {
  constructor(status, said) {
    super(said.message ?? `the server answered ${status}`);
    this.status = status;
    this.code = said.code ?? "";
    this.remedy = said.remedy ?? "";
  }
}

async function ask(path, options = {}) {
  const headers = { Authorization: `Bearer ${token}`, ...options.headers };
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  if (answer.ok) return answer;
  let said = {};
  try {
    said = await answer.json();
  } catch {
    // not of ours
  }
  throw new Refused(answer.status, said);
}

export async function getJson(path, query = {}) {
  return (await ask(withQuery(path, query))).json();
}

export async function getText(path, query = {}) {
  return (await ask(withQuery(path, query))).text();
}

export async function post(path, body) {
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  return (await ask(path, options)).json();
}

function withQuery(path, query) {
  const text = new URLSearchParams(query).toString();
  return text ? `${path}?${text}` : path;
}

// A document by XMLHttpRequest: it is parsed without running anything that is in it.
export function getSvg(path) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", path);
    request.responseType = "document";
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.onload = () => {
      const root = request.responseXML?.documentElement;
      if (request.status === 200 && root?.localName === "svg") resolve(root);
      else reject(new Refused(request.status, {}));
    };
    request.onerror = () => reject(new Refused(0, {}));
    request.send();
  });
}

const SILENCE_MS = 15_000;

// Calls `take` with each snapshot until the connection ends or is silent; then raises.
export async function listen(take) {
  const control = new AbortController();
  let alarm = setTimeout(() => control.abort(), SILENCE_MS);
  try {
    const answer = await ask("/api/events", { signal: control.signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let pending = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Refused(0, { message: "the server has ended" });
      clearTimeout(alarm);
      alarm = setTimeout(() => control.abort(), SILENCE_MS);
      const events = (pending + value).split("\n\n");
      pending = events.pop();
      for (const event of events) {
        const data = event.split("\n").find((line) => line.startsWith("data: "));
        if (data) take(JSON.parse(data.slice(6)));
      }
    }
  } finally {
    clearTimeout(alarm);
  }
}
