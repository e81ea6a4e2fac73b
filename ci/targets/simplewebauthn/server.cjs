// A relying party on @simplewebauthn/server, as thin as its documentation shows it. In these comments
//   [server]   is https://simplewebauthn.dev/docs/packages/server
//   [passkeys] is https://simplewebauthn.dev/docs/advanced/passkeys
//   [settings] is https://simplewebauthn.dev/docs/advanced/server/settings-service
//   [example]  is example/index.ts in the library's repository
const fs = require('node:fs');
const path = require('node:path');
const express = require('express');
const session = require('express-session');
const {
  SettingsService,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} = require('@simplewebauthn/server');

const {
  PORT = '8000',
  RP_ID: rpID = 'rp.test',
  ORIGIN: origin = 'https://login.rp.test',
  ATTESTATION: attestationType = 'direct',
  USER_VERIFICATION: userVerification = 'preferred',
  ALGORITHMS,
  TRUST_ANCHORS,
} = process.env;

// [passkeys]: "preferred" goes with false, "required" with true.
const requireUserVerification = userVerification === 'required';

// [server]: left out, the library's own list of algorithms is asked for and accepted.
const algorithms = ALGORITHMS ? { supportedAlgorithmIDs: ALGORITHMS.split(',').map(Number) } : {};

// [settings], "setRootCertificates()": without roots for a format, its certificate path is not validated.
if (TRUST_ANCHORS) {
  const pem = fs.readFileSync(path.join(TRUST_ANCHORS, 'roots.pem'), 'utf8');
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
  for (const identifier of ['android-key', 'android-safetynet', 'apple', 'fido-u2f', 'packed', 'tpm']) {
    SettingsService.setRootCertificates({ identifier, certificates });
  }
}

// [server], "Additional data structures": users, each with passkeys. By user name.
const users = new Map();

const app = express();
app.use(express.json());
// [example]: a session in a cookie, kept in memory.
app.use(session({ secret: 'secret123', saveUninitialized: true, resave: false, cookie: { httpOnly: true } }));

const signedIn = (req) => users.get(req.session.username);
const withTransports = ({ id, transports }) => ({ id, transports });
const refuse = (res, error, status = 400) => res.status(status).send({ error });

// [server], "1. Generate registration options". Who is signed in registers another passkey; a name that nobody has is
// a new account, which exists from its first passkey on.
app.get('/generate-registration-options', async (req, res) => {
  let user = signedIn(req);
  const username = req.query.username ?? user?.username;
  if (typeof username !== 'string' || username === '') {
    return refuse(res, 'username is missing');
  }
  if (user?.username !== username) {
    if (users.has(username)) {
      return refuse(res, 'This user name is taken: sign in to add a passkey', 403);
    }
    user = { username, passkeys: [] };
  }

  const options = await generateRegistrationOptions({
    rpName: 'SimpleWebAuthn Example',
    rpID,
    userName: username,
    // The user handle of an account stays the same: [server], "webauthnUserID".
    userID: user.webauthnUserID && Buffer.from(user.webauthnUserID, 'base64url'),
    attestationType,
    excludeCredentials: user.passkeys.map(withTransports),
    // [passkeys], "generateRegistrationOptions()".
    authenticatorSelection: { residentKey: 'required', userVerification },
    ...algorithms,
  });

  // [passkeys], "Remembering challenges": by the session.
  req.session.registration = { username, options };
  res.send(options);
});

// [server], "2. Verify registration response" and "3. Post-registration responsibilities".
app.post('/verify-registration', async (req, res) => {
  const { body } = req;
  const { registration } = req.session;
  // [passkeys]: "Make sure to delete the challenge so it can't be reused, even if verification fails".
  delete req.session.registration;
  if (!registration) {
    return refuse(res, 'No registration was started');
  }
  const { username, options: currentOptions } = registration;

  let verification;
  try {
    verification = await verifyRegistrationResponse({
      response: body,
      expectedChallenge: currentOptions.challenge,
      expectedOrigin: origin,
      expectedRPID: rpID,
      requireUserVerification,
      ...algorithms,
    });
  } catch (error) {
    console.error(error);
    return refuse(res, error.message);
  }

  const { verified, registrationInfo } = verification;
  if (verified) {
    if (users.has(username) && req.session.username !== username) {
      return refuse(res, 'This user name is taken: sign in to add a passkey', 403);
    }
    const { credential, credentialDeviceType, credentialBackedUp } = registrationInfo;
    const user = users.get(username) ?? { username, webauthnUserID: currentOptions.user.id, passkeys: [] };
    // [example]: what the user has already is not added again.
    if (!user.passkeys.some((passkey) => passkey.id === credential.id)) {
      user.passkeys.push({ ...credential, deviceType: credentialDeviceType, backedUp: credentialBackedUp });
    }
    users.set(username, user);
    req.session.username = username;
  }
  res.send({ verified });
});

// [server], "1. Generate authentication options"; without a user name [passkeys], "allowCredentials: []".
app.get('/generate-authentication-options', async (req, res) => {
  const { username } = req.query;
  const user = users.get(username);
  if (username !== undefined && !user) {
    return refuse(res, 'There is no such user');
  }

  const options = await generateAuthenticationOptions({
    rpID,
    userVerification,
    allowCredentials: user ? user.passkeys.map(withTransports) : [],
  });

  req.session.authentication = { username, options };
  res.send(options);
});

// [server], "2. Verify authentication response" and "3. Post-authentication responsibilities".
app.post('/verify-authentication', async (req, res) => {
  const { body } = req;
  const { authentication } = req.session;
  delete req.session.authentication;
  if (!authentication) {
    return refuse(res, 'No authentication was started');
  }
  const { username, options: currentOptions } = authentication;

  // The passkeys of the user who was named; of all users where none was ([passkeys]: the user of the response's `id`).
  const candidates = username === undefined ? [...users.values()] : [users.get(username)];
  const user = candidates.find((user) => user?.passkeys.some((passkey) => passkey.id === body?.id));
  const passkey = user?.passkeys.find((passkey) => passkey.id === body.id);
  if (!passkey) {
    return refuse(res, 'Authenticator is not registered with this site');
  }

  let verification;
  try {
    verification = await verifyAuthenticationResponse({
      response: body,
      expectedChallenge: currentOptions.challenge,
      expectedOrigin: origin,
      expectedRPID: rpID,
      credential: passkey,
      requireUserVerification,
    });
  } catch (error) {
    console.error(error);
    return refuse(res, error.message);
  }

  const { verified, authenticationInfo } = verification;
  if (verified) {
    passkey.counter = authenticationInfo.newCounter;
    req.session.username = user.username;
  }
  res.send({ verified });
});

// What the application adds: who is signed in, what passkeys they have, and the way out.
app.get('/me', (req, res) => {
  const user = signedIn(req);
  return user ? res.send({ username: user.username }) : refuse(res, 'Nobody is signed in', 401);
});
app.get('/passkeys', (req, res) => {
  const user = signedIn(req);
  if (!user) return refuse(res, 'Nobody is signed in', 401);
  res.send({ passkeys: user.passkeys.map(({ publicKey, ...passkey }) => passkey) });
});
app.delete('/passkeys/:id', (req, res) => {
  const user = signedIn(req);
  if (!user) return refuse(res, 'Nobody is signed in', 401);
  const index = user.passkeys.findIndex((passkey) => passkey.id === req.params.id);
  if (index < 0) return refuse(res, 'There is no such passkey', 404);
  user.passkeys.splice(index, 1);
  res.status(204).end();
});
app.post('/sign-out', (req, res) => req.session.destroy(() => res.status(204).end()));

app.listen(Number(PORT), '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${PORT}`));
