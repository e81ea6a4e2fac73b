// Replaces navigator.credentials.create() and get() for passkeys, and asks the provider what to answer.
//
// The request, with binary members of options as base64url:
//   {kind: "create"|"get", origin, topOrigin: string|null, crossOrigin, mediation: string|null, options}
// The answers:
//   {do: "browser"}                  the browser's own function answers the page
//   {do: "credential", credential}   a RegistrationResponseJSON or AuthenticationResponseJSON becomes the page's credential
//   {do: "error", name, message}     the page's promise is rejected with this DOMException
//   {do: "change"}                   the browser's own function answers, and what it made is sent as
//                                    {kind: "made", ceremony, credential, ...the request's other members}; that answer is the page's
"use strict";
(() => {
  // Without a secure context there is nothing to replace.
  if (typeof PublicKeyCredential === "undefined") return;

  const browser = {
    create: CredentialsContainer.prototype.create,
    get: CredentialsContainer.prototype.get,
  };

  for (const kind of ["create", "get"]) {
    const replaced = {
      async [kind](options) {
        if (!options?.publicKey || !hasBytes(kind, options.publicKey) || !isAllowed(kind)) {
          return browser[kind].call(this, options);
        }
        return ceremony(kind, options, () => browser[kind].call(this, options));
      },
    };
    CredentialsContainer.prototype[kind] = replaced[kind];
  }

  async function ceremony(kind, options, byBrowser) {
    const { signal } = options;
    const request = {
      kind,
      ...origins(),
      mediation: options.mediation ?? null,
      options: toJson(options.publicKey),
    };
    let answer = await ask(request, signal);
    if (answer.do === "change") {
      const made = await byBrowser();
      answer = await ask({ ...request, kind: "made", ceremony: kind, credential: made.toJSON() }, signal);
    }
    switch (answer.do) {
      case "browser":
        return byBrowser();
      case "credential":
        return credentialFrom(kind, answer.credential);
      case "error":
        throw new DOMException(answer.message, answer.name);
      default:
        throw new DOMException(`the credential provider answered ${JSON.stringify(answer)}`, "UnknownError");
    }
  }

  // Sends one request and waits for its answer, or until the page aborts.
  function ask(request, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const id = crypto.randomUUID();
      const done = new AbortController();
      const heard = (event) => {
        const message = JSON.parse(event.detail);
        if (message.id !== id) return;
        done.abort();
        resolve(message.answer);
      };
      const aborted = () => {
        done.abort();
        send("passkey-harness-forget", { id });
        reject(signal.reason);
      };
      window.addEventListener("passkey-harness-answer", heard, { signal: done.signal });
      signal?.addEventListener("abort", aborted, { signal: done.signal });
      send("passkey-harness-request", { id, request });
    });
  }

  function send(name, message) {
    window.dispatchEvent(new CustomEvent(name, { detail: JSON.stringify(message) }));
  }

  // The members of client data that say where the page is (WebAuthn L3, 5.8.1).
  function origins() {
    const origin = self.origin;
    const ancestors = location.ancestorOrigins ? [...location.ancestorOrigins] : readableAncestors();
    const crossOrigin = ancestors.some((ancestor) => ancestor !== origin);
    return { origin, topOrigin: crossOrigin ? ancestors.at(-1) : null, crossOrigin };
  }

  // The same for browsers without ancestorOrigins; null stands for an origin that this frame may not read.
  function readableAncestors() {
    const found = [];
    for (let frame = window; frame !== frame.parent; ) {
      frame = frame.parent;
      try {
        found.push(frame.origin);
      } catch {
        found.push(null);
      }
    }
    return found;
  }

  // A frame that is not allowed to is refused by the browser (WebAuthn L3, 5.10), where the browser says what is allowed.
  function isAllowed(kind) {
    return document.featurePolicy?.allowsFeature(`publickey-credentials-${kind}`) ?? true;
  }

  // The browser refuses options without bytes where bytes are due with a TypeError of its own.
  function hasBytes(kind, publicKey) {
    const due = [publicKey.challenge];
    if (kind === "create") due.push(publicKey.user?.id);
    const listed = kind === "create" ? publicKey.excludeCredentials : publicKey.allowCredentials;
    for (const descriptor of listed ?? []) due.push(descriptor?.id);
    return due.every(isBytes);
  }

  // A buffer of another frame is no instance of this frame's ArrayBuffer.
  function isBytes(value) {
    return ArrayBuffer.isView(value) || Object.prototype.toString.call(value) === "[object ArrayBuffer]";
  }

  function toJson(value) {
    if (isBytes(value)) return toBase64Url(value);
    if (Array.isArray(value)) return value.map(toJson);
    if (value === null || typeof value !== "object") return value;
    const members = {};
    // Also what is inherited: options may be an instance of the page's own class.
    for (const name in value) members[name] = toJson(value[name]);
    return members;
  }

  function toBase64Url(value) {
    const bytes = ArrayBuffer.isView(value)
      ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
      : new Uint8Array(value);
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  function fromBase64Url(text) {
    if (text === undefined || text === null) return null;
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0)).buffer;
  }

  // Defines members on an object of the browser's class, hiding the prototype's, which throw on what the browser did not make.
  // A member is decoded when it is read: what a provider spoilt on purpose fails there, and toJSON() still carries it.
  function define(object, members) {
    for (const [name, make] of Object.entries(members)) {
      let value;
      let made = false;
      const get = () => {
        if (!made) value = make();
        made = true;
        return value;
      };
      Object.defineProperty(object, name, { get, enumerable: true, configurable: true });
    }
    return object;
  }

  function credentialFrom(kind, json) {
    const response = kind === "create" ? attestationFrom(json.response) : assertionFrom(json.response);
    return define(Object.create(PublicKeyCredential.prototype), {
      id: () => json.id,
      rawId: () => fromBase64Url(json.rawId),
      type: () => json.type,
      authenticatorAttachment: () => json.authenticatorAttachment ?? null,
      response: () => response,
      getClientExtensionResults: () => () => extensionResults(json.clientExtensionResults),
      toJSON: () => () => structuredClone(json),
    });
  }

  function attestationFrom(json) {
    return define(Object.create(AuthenticatorAttestationResponse.prototype), {
      clientDataJSON: () => fromBase64Url(json.clientDataJSON),
      attestationObject: () => fromBase64Url(json.attestationObject),
      getAuthenticatorData: () => () => fromBase64Url(json.authenticatorData),
      getPublicKey: () => () => fromBase64Url(json.publicKey),
      getPublicKeyAlgorithm: () => () => json.publicKeyAlgorithm,
      getTransports: () => () => [...(json.transports ?? [])],
    });
  }

  function assertionFrom(json) {
    return define(Object.create(AuthenticatorAssertionResponse.prototype), {
      clientDataJSON: () => fromBase64Url(json.clientDataJSON),
      authenticatorData: () => fromBase64Url(json.authenticatorData),
      signature: () => fromBase64Url(json.signature),
      userHandle: () => fromBase64Url(json.userHandle),
    });
  }

  // The extensions' outputs that are bytes to the page are those of prf and largeBlob (WebAuthn L3, 10.1.4 and 10.1.5).
  function extensionResults(json) {
    const results = structuredClone(json ?? {});
    if (results.largeBlob?.blob) results.largeBlob.blob = fromBase64Url(results.largeBlob.blob);
    for (const name of ["first", "second"]) {
      const output = results.prf?.results?.[name];
      if (output) results.prf.results[name] = fromBase64Url(output);
    }
    return results;
  }
})();
