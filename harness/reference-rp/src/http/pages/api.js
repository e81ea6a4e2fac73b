// The relying party's JSON API.

const LIMIT_MS = 10_000;

/** The relying party said no. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `answer ${status}`);
    this.name = "rejected";
    this.reasons = error?.reasons ?? [];
    this.unknownCredential = error?.unknownCredential === true;
  }
}

/** The relying party did not answer, or not in time. */
export class Unreachable extends Error {
  constructor(cause) {
    super("no answer", { cause });
    this.name = "unreachable";
  }
}

/** Sends a request; returns the JSON of the answer, null for an empty one. */
export async function ask(method, path, body) {
  const request = { method, cache: "no-store", signal: AbortSignal.timeout(LIMIT_MS) };
  if (body !== undefined) {
    request.headers = { "content-type": "application/json" };
    request.body = JSON.stringify(body);
  }
  let answer, text;
  try {
    answer = await fetch(path, request);
    text = await answer.text();
  } catch (cause) {
    throw new Unreachable(cause);
  }
  const json = parsed(text);
  if (!answer.ok) throw new Refused(answer.status, json?.error);
  return json;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
