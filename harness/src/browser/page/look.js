// Says what can be seen: of `here` in the frame that is entered, of `top` in the whole page and its iframes of the same origin.
const [here, top] = arguments;
const isShown = (element) => element.checkVisibility({ visibilityProperty: true });
const documentOf = (frame, root) => (frame ? [...root.querySelectorAll(frame)].map((one) => one.contentDocument).find((it) => it) : root);

function see({ frame, css, gone }, page) {
  const root = documentOf(frame, page);
  const all = (selector) => [...(root?.querySelectorAll(selector) ?? [])].filter(isShown);
  const found = css ? all(css) : [];
  const index = found.length ? [...root.querySelectorAll(css)].indexOf(found[0]) : 0;
  const there = (!css || found.length > 0) && (!gone || all(gone).length === 0);
  const text = (css ? found[0] : root?.body)?.innerText ?? "";
  return { there, text, index, count: found.length };
}

// Says how the requests of a page and of its iframes of the same origin were answered: as far as the browser keeps it.
function answersOf(window) {
  const frames = Array.from({ length: window.frames.length }, (_, index) => window.frames[index]);
  const inside = frames.flatMap((frame) => {
    try {
      return answersOf(frame);
    } catch {
      return []; // Of another origin.
    }
  });
  const { performance } = window;
  performance.setResourceTimingBufferSize(10_000);
  const own = ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type));
  // Not those of pictures and scripts.
  const kinds = ["navigation", "fetch", "xmlhttprequest"];
  const answered = own.filter((entry) => entry.responseStatus && kinds.includes(entry.initiatorType)).map((entry) => {
    const { pathname, search } = new URL(entry.name);
    return { path: pathname + search, status: entry.responseStatus, at: performance.timeOrigin + entry.startTime };
  });
  return [...answered, ...inside];
}

let page = document;
try {
  page = window.top.document;
} catch {
  // Of another origin: then this frame is all that can be seen.
}
try {
  return {
    address: window.location.href,
    since: (page.defaultView ?? window).performance.timeOrigin,
    answers: answersOf(page.defaultView ?? window),
    text: document.body?.innerText ?? "",
    here: here.map((one) => see(one, document)),
    top: top.map((one) => see(one, page)),
  };
} catch (error) {
  return { mistake: error.message };
}
