const done = arguments[arguments.length - 1];
const tell = () => done(said(0, null));
if (["done", "failed"].includes(body().state)) tell();
else document.addEventListener("settled", tell, { once: true });
