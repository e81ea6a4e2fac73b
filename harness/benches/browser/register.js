const [username, pass, done] = arguments;
const settled = () => new Promise((resolve) => document.addEventListener("settled", resolve, { once: true }));
const ready = new Promise((resolve) => {
  const look = () => document.body.dataset.state === "busy" || resolve();
  new MutationObserver(look).observe(document.body, { attributes: true });
  look();
});
(async () => {
  await ready;
  document.querySelector("#other-ways").click();
  document.querySelector("#username").value = username;
  document.querySelector("#pass").value = pass;
  const letIn = settled();
  document.querySelector("#use-pass").click();
  await letIn;
  const registered = settled();
  document.querySelector("#register").click();
  await registered;
  done(document.body.dataset.state);
})();
