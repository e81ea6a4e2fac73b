const [done] = arguments;
const settled = () => new Promise((resolve) => document.addEventListener("settled", resolve, { once: true }));
(async () => {
  const left = settled();
  document.querySelector("#sign-out").click();
  await left;
  const signedIn = settled();
  document.querySelector("#username").value = "";
  document.querySelector("#sign-in").click();
  await signedIn;
  done(document.body.dataset.state);
})();
