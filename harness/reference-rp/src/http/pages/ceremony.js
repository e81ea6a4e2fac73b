// The two ceremonies of WebAuthn: options as JSON in, a response as JSON out (WebAuthn L3, 5.1.8 to 5.1.10).

/** How long the browser has to give up by itself, once the time that the options allow is over. */
const GRACE_MS = 2_000;
/** How long a replaced ceremony has to end. */
const END_MS = 1_000;

let running = null;

/** Makes a passkey. */
export function create(options) {
  return exclusively(options.timeout, async (signal) =>
    toJSON(await navigator.credentials.create({ publicKey: creationOptions(options), signal })));
}

/** Uses a passkey that the person chooses in a dialog of the browser. */
export function get(options) {
  return exclusively(options.timeout, async (signal) =>
    toJSON(await navigator.credentials.get({ publicKey: requestOptions(options), signal })));
}

/** Uses a passkey that the person chooses among what the browser fills in; waits for as long as the page is open. */
export function getConditionally(options) {
  return exclusively(null, async (signal) => {
    const publicKey = requestOptions(options);
    return toJSON(await navigator.credentials.get({ publicKey, mediation: "conditional", signal }));
  });
}

/** Ends the ceremony that is under way, and waits until it has ended. */
export async function cancel(why = "another ceremony began") {
  if (!running) return;
  const { controller, call } = running;
  controller.abort(new DOMException(why, "AbortError"));
  await within(END_MS, call.catch(() => null));
}

/** Waits for a promise, but not for ever: returns its value, or undefined. */
export function within(milliseconds, promise) {
  let timer;
  const late = new Promise((resolve) => { timer = setTimeout(resolve, milliseconds); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Has one ceremony under way at a time, and ends it even if the browser or a password manager ignores the signal. */
async function exclusively(timeout, act) {
  if (!window.PublicKeyCredential || !navigator.credentials) {
    throw new DOMException("there is no PublicKeyCredential", "NotSupportedError");
  }
  await cancel();
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  const giveUp = () => controller.abort(new DOMException("the browser did not answer", "TimeoutError"));
  const timer = timeout ? setTimeout(giveUp, timeout + GRACE_MS) : undefined;
  const call = act(signal);
  const mine = { controller, call };
  running = mine;
  try {
    return await Promise.race([call, aborted]);
  } finally {
    clearTimeout(timer);
    if (running === mine) running = null;
  }
}

function creationOptions(json) {
  if (PublicKeyCredential.parseCreationOptionsFromJSON) {
    return PublicKeyCredential.parseCreationOptionsFromJSON(json);
  }
  return {
    ...json,
    challenge: bytes(json.challenge),
    user: { ...json.user, id: bytes(json.user.id) },
    excludeCredentials: json.excludeCredentials.map(descriptor),
  };
}

function requestOptions(json) {
  if (PublicKeyCredential.parseRequestOptionsFromJSON) {
    return PublicKeyCredential.parseRequestOptionsFromJSON(json);
  }
  return {
    ...json,
    challenge: bytes(json.challenge),
    allowCredentials: json.allowCredentials.map(descriptor),
  };
}

function descriptor(json) {
  return { ...json, id: bytes(json.id) };
}

function toJSON(credential) {
  try {
    return credential.toJSON();
  } catch {
    // It is absent, or a password manager's credential has only the prototype's, which does not take it.
    return byHand(credential);
  }
}

function byHand(credential) {
  const { id, rawId, type, authenticatorAttachment, response } = credential;
  const members = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]
    .filter((name) => response[name])
    .map((name) => [name, base64url(response[name])]);
  if (response.getTransports) members.push(["transports", response.getTransports()]);
  return {
    id,
    rawId: base64url(rawId),
    type,
    authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: Object.fromEntries(members),
  };
}

function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function base64url(buffer) {
  const plain = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
