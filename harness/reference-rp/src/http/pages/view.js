// What the page shows. The ids and attributes are relied on: see pages.rs.

import { nameOf } from "./words.js";

/** Finds an element by its id. */
export const element = (id) => document.getElementById(id);

/** Sets the state of the page; `did` is what was done or tried. */
export function setState(state, did, error) {
  const { dataset } = document.body;
  dataset.state = state;
  setOrDelete(dataset, "did", did);
  setOrDelete(dataset, "error", error?.name);
  setOrDelete(dataset, "reasons", error?.reasons?.join(" "));
  for (const button of document.querySelectorAll("button:not(#cancel)")) {
    button.disabled = state === "busy";
  }
}

function setOrDelete(dataset, name, value) {
  if (value) dataset[name] = value;
  else delete dataset[name];
}

/** Shows or hides that a ceremony waits for the person. */
export function showWaiting(waiting) {
  element("waiting").hidden = !waiting;
}

/** Says what went wrong or what was done; says nothing without either. */
export function say({ words = "", news = "" } = {}) {
  for (const [id, text] of [["words", words], ["news", news]]) {
    element(id).hidden = text === "";
    element(id).textContent = text;
  }
}

/** Shows the other ways, as they are for somebody who is signed in or is not. */
export function showAnotherWay(shown) {
  element("another-way").hidden = !shown;
}

/** Shows the part of the page that the session calls for. */
export function showSession(session, passkeys) {
  const signedIn = Boolean(session.user);
  element("signed-out").hidden = signedIn;
  element("pass-form").hidden = signedIn;
  element("signed-in").hidden = !signedIn;
  element("stay").hidden = !signedIn;
  element("user").textContent = session.user ?? "";
  element("passkeys").replaceChildren(...passkeys.map(item));
  element("no-passkeys").hidden = passkeys.length > 0;
  if (signedIn) element("pass").value = "";
}

function item(passkey) {
  const made = new Date(passkey.madeAt * 1000);
  const text = document.createElement("span");
  const when = child("time", "made", `made ${made.toLocaleDateString("en", { dateStyle: "medium" })}`);
  when.dateTime = made.toISOString();
  text.append(child("span", "name", nameOf(passkey)), when);
  const button = child("button", "delete plain", "Delete");
  button.type = "button";
  button.setAttribute("aria-label", `Delete: ${text.textContent}`);
  const li = document.createElement("li");
  li.dataset.id = passkey.id;
  li.dataset.transports = passkey.transports.join(" ");
  li.append(text, button);
  return li;
}

function child(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Offers a passkey on this device, or says what to use in its place. */
export function offerSameDevice(offered) {
  element("register-here").hidden = !offered;
  element("other-places").hidden = offered;
}
