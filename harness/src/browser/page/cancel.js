const done = arguments[arguments.length - 1];
const button = () => document.querySelector("#cancel");
const cancel = () => {
  if (!shown(button())) return false;
  observer.disconnect();
  document.addEventListener("settled", () => done(said(0, null)), { once: true });
  button().click();
  return true;
};
const observer = new MutationObserver(cancel);
if (!cancel()) observer.observe(document, { subtree: true, childList: true, attributes: true });
