const [{ acts, wait }, done] = arguments;
const ready = () =>
  new Promise((resolve) => {
    const look = () => {
      if (!document.body || (body().state ?? "busy") === "busy") return false;
      observer.disconnect();
      resolve();
      return true;
    };
    const observer = new MutationObserver(look);
    if (!look()) observer.observe(document, { subtree: true, childList: true, attributes: true });
  });
(async () => {
  await ready();
  for (const [index, { show, fill, click }] of acts.entries()) {
    if (show && !shown(document.querySelector(click))) document.querySelector(show)?.click();
    for (const [selector, text] of fill) {
      const field = document.querySelector(selector);
      if (field === null) return done(said(index, selector));
      field.value = text;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    const button = document.querySelector(click);
    if (!shown(button) || button.disabled) return done(said(index, click));
    const settled = new Promise((resolve) => document.addEventListener("settled", resolve, { once: true }));
    button.click();
    if (!wait && index === acts.length - 1) return done(said(acts.length, null));
    await settled;
    if (body().state !== "done") return done(said(index + 1, null));
  }
  done(said(acts.length, null));
})();
