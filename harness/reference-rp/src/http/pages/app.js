// Signing in, making and deleting passkeys. What a test may rely on is said in pages.rs.

import { ask } from "./api.js";
import * as ceremony from "./ceremony.js";
import * as signals from "./signals.js";
import * as view from "./view.js";
import { failure, success } from "./words.js";

let session = { user: null };
let passkeys = [];

async function refresh() {
  session = await ask("GET", "/session");
  passkeys = session.user ? await ask("GET", "/passkeys") : [];
  view.showSession(session, passkeys);
}

/** Does something that a person asked for, and shows what came of it. */
async function perform(did, act) {
  view.say();
  view.showAnotherWay(false);
  view.setState("busy", did);
  try {
    await act();
    settle(did);
  } catch (error) {
    settle(did, error);
  }
}

function settle(did, error) {
  view.showWaiting(false);
  const state = error ? "failed" : "done";
  view.say(error ? { words: failure(did, error) } : { news: success(did) });
  view.showAnotherWay(Boolean(error));
  view.setState(state, did, error);
  const detail = { did, state, error: error?.name ?? null, reasons: error?.reasons ?? [] };
  document.dispatchEvent(new CustomEvent("settled", { detail }));
}

async function waitedFor(credential) {
  view.showWaiting(true);
  try {
    return await credential;
  } finally {
    view.showWaiting(false);
  }
}

const named = () => {
  const username = view.element("username").value.trim();
  return username ? { username } : {};
};

async function signIn() {
  await ceremony.cancel();
  const options = await ask("POST", "/webauthn/authentication/options", named());
  await finishSignIn(await waitedFor(ceremony.get(options)));
}

async function finishSignIn(credential) {
  try {
    await ask("POST", "/webauthn/authentication", credential);
  } catch (error) {
    if (error.unknownCredential) await signals.unknown(session, credential.id);
    throw error;
  }
  await refresh();
  await signals.accepted(session, passkeys);
}

async function usePass() {
  await ceremony.cancel();
  const temporaryAccessPass = view.element("pass").value;
  await ask("POST", "/session/bootstrap", { ...named(), temporaryAccessPass });
  await refresh();
}

async function register(authenticatorAttachment) {
  const options = await ask("POST", "/webauthn/registration/options", { authenticatorAttachment });
  const credential = await waitedFor(ceremony.create(options));
  await ask("POST", "/webauthn/registration", credential);
  await refresh();
}

async function remove(id) {
  await ask("DELETE", `/passkeys/${encodeURIComponent(id)}`);
  await refresh();
  await signals.accepted(session, passkeys);
}

async function signOut() {
  await ask("POST", "/session/sign-out", {});
  await refresh();
}

/** Tells whether this device can keep a passkey itself. */
async function keepsPasskeys() {
  const api = window.PublicKeyCredential;
  if (!api) return false;
  const [available, capabilities] = await Promise.all([
    api.isUserVerifyingPlatformAuthenticatorAvailable(),
    api.getClientCapabilities?.(),
  ]);
  return available && capabilities?.passkeyPlatformAuthenticator !== false;
}

async function offersSameDevice() {
  if (document.body.dataset.sameDeviceOffer === "always") return true;
  try {
    return (await ceremony.within(2_000, keepsPasskeys())) ?? false;
  } catch {
    return false;
  }
}

/** Starts conditional sign-in; returns what waits for it, or nothing where there is no such thing. */
async function beginAutofill() {
  if (!(await window.PublicKeyCredential?.isConditionalMediationAvailable?.())) return null;
  const options = await ask("POST", "/webauthn/authentication/options", {});
  return { credential: ceremony.getConditionally(options) };
}

async function finishAutofill(credential) {
  let response;
  try {
    response = await credential;
  } catch (error) {
    // Another ceremony has begun; what becomes of that is its own affair.
    if (error.name !== "AbortError") settle("signed-in", error);
    return;
  }
  await perform("signed-in", () => finishSignIn(response));
}

const on = (id, kind, did, act) => {
  view.element(id).addEventListener(kind, (event) => {
    event.preventDefault();
    if (document.body.dataset.state !== "busy") perform(did, act);
  });
};

function listen() {
  on("passkey-form", "submit", "signed-in", signIn);
  on("pass-form", "submit", "signed-in", usePass);
  on("register", "click", "registered", () => register());
  on("register-here", "click", "registered", () => register("platform"));
  on("register-elsewhere", "click", "registered", () => register("cross-platform"));
  on("sign-out", "click", "signed-out", signOut);
  view.element("other-ways").addEventListener("click", () => view.showAnotherWay(true));
  view.element("cancel").addEventListener("click", () => ceremony.cancel("the person cancelled"));
  view.element("passkeys").addEventListener("click", (event) => {
    const item = event.target.closest(".delete")?.closest("li");
    if (item && document.body.dataset.state !== "busy") perform("deleted", () => remove(item.dataset.id));
  });
}

async function load() {
  listen();
  try {
    const [offered] = await Promise.all([offersSameDevice(), refresh()]);
    view.offerSameDevice(offered);
    view.showAnotherWay(!window.PublicKeyCredential);
    const wanted = new URLSearchParams(location.search).has("autofill") && !session.user;
    const autofill = wanted ? await beginAutofill() : null;
    view.setState("ready");
    if (autofill) await finishAutofill(autofill.credential);
  } catch (error) {
    settle("signed-in", error);
  }
}

load();
