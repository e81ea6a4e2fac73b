// What a page says of itself.
const body = () => document.body.dataset;
const shown = (element) => element !== null && element.getClientRects().length > 0;
const said = (acts, missing) => ({
  did: body().did ?? "",
  state: body().state ?? "",
  error: body().error ?? "",
  words: document.querySelector("#words")?.textContent ?? "",
  anotherWay: shown(document.querySelector("#another-way")),
  offersSameDevice: document.querySelector("#register-here")?.hidden === false,
  acts,
  missing,
  userAgent: navigator.userAgent,
});
