// Carries a page's request to the provider. Only here may an extension reach another origin whatever the page's policy says.
"use strict";

const PROVIDER = "https://provider.test";
// A browser ends a background script that has done nothing for 30 seconds, and a provider may think for longer.
const KEEP_ALIVE_MS = 20_000;

chrome.runtime.onConnect.addListener((port) => {
  const forgotten = new AbortController();
  port.onDisconnect.addListener(() => forgotten.abort());
  port.onMessage.addListener(async (request) => {
    const answer = await call(request, forgotten.signal);
    if (!forgotten.signal.aborted) port.postMessage(answer);
  });
});

// Returns the provider's answer, or an error for the page that says why there is none.
async function call(request, signal) {
  const alive = setInterval(() => chrome.runtime.getPlatformInfo(), KEEP_ALIVE_MS);
  try {
    const response = await fetch(`${PROVIDER}/call`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
      credentials: "omit",
      cache: "no-store",
      signal,
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`status ${response.status}: ${text}`);
    return JSON.parse(text);
  } catch (error) {
    const message = `no answer from the credential provider at ${PROVIDER}: ${error.message}`;
    return { do: "error", name: "UnknownError", message };
  } finally {
    clearInterval(alive);
  }
}
