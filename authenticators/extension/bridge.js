// Stands between the page's script, which cannot talk to the extension, and the background, which cannot talk to the page.
// Messages are events on the window whose detail is JSON text, since objects do not cross between the two worlds in Firefox.
"use strict";

const ports = new Map();

window.addEventListener("passkey-harness-request", (event) => {
  const { id, request } = JSON.parse(event.detail);
  const answer = (value) => {
    if (!ports.delete(id)) return;
    const detail = JSON.stringify({ id, answer: value });
    window.dispatchEvent(new CustomEvent("passkey-harness-answer", { detail }));
  };
  const gone = (why) => answer({ do: "error", name: "UnknownError", message: `the extension's background script is gone: ${why}` });
  ports.set(id, null);
  try {
    const port = chrome.runtime.connect();
    ports.set(id, port);
    port.onMessage.addListener((value) => {
      answer(value);
      port.disconnect();
    });
    port.onDisconnect.addListener(() => gone(chrome.runtime.lastError?.message ?? "it ended before it answered"));
    port.postMessage(request);
  } catch (error) {
    gone(error.message);
  }
});

// The page does not wait any more: the background ends its request to the provider.
window.addEventListener("passkey-harness-forget", (event) => {
  const { id } = JSON.parse(event.detail);
  ports.get(id)?.disconnect();
  ports.delete(id);
});
