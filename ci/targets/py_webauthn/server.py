"""A relying party on py_webauthn: the library's six functions as its README and examples show them, behind Python's http.server.

What the library leaves to its users (sessions, users, which passkey is whose, a challenge is good once) is done here as WebAuthn asks
for it, and no more. State is in memory.
"""

import json
import os
import secrets
import sys
import threading
import traceback
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from webauthn import generate_authentication_options, generate_registration_options, options_to_json
from webauthn import base64url_to_bytes, verify_authentication_response, verify_registration_response
from webauthn.helpers import bytes_to_base64url, parse_authentication_credential_json, structs
from webauthn.helpers.exceptions import WebAuthnException

RP_ID = os.environ.get("RP_ID", "rp.test")
ORIGIN = os.environ.get("ORIGIN", "https://login.rp.test")
ATTESTATION = structs.AttestationConveyancePreference(os.environ.get("ATTESTATION", "direct"))
# "preferred" is the default of generate_authentication_options.
USER_VERIFICATION = structs.UserVerificationRequirement(os.environ.get("USER_VERIFICATION", "preferred"))
UV_REQUIRED = USER_VERIFICATION == structs.UserVerificationRequirement.REQUIRED


def trust_anchors():
    """What verify_registration_response takes as pem_root_certs_bytes_by_fmt: "A list of root certificates, in PEM format"."""
    folder = os.environ.get("TRUST_ANCHORS")
    if not folder:
        return None
    pem = Path(folder, "roots.pem").read_bytes()
    # Written anew: for android-key the library compares roots as text, as OpenSSL writes them.
    roots = [root.public_bytes(Encoding.PEM) for root in x509.load_pem_x509_certificates(pem)]
    names = ["packed", "tpm", "android-key", "apple", "fido-u2f"]
    return {structs.AttestationFormat(name): roots for name in names}


ROOTS = trust_anchors()


@dataclass(eq=False)
class User:
    name: str
    handle: bytes
    passkeys: dict = field(default_factory=dict)


@dataclass(eq=False)
class Passkey:
    user: User
    public_key: bytes
    sign_count: int


users, passkeys = {}, {}  # by name; of all users, by credential ID
sessions = {}  # by cookie: the "user" who is signed in, and the ceremony that was "begun"
one_at_a_time = threading.Lock()


class Refusal(Exception):
    """This server's own, where the library has no part."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def descriptors(user):
    return [structs.PublicKeyCredentialDescriptor(id=id) for id in user.passkeys] if user else []


def user_name(text):
    try:
        name = json.loads(text or "{}").get("username")
        return None if name is None else str(name)
    except (ValueError, AttributeError):
        raise Refusal("BadRequest", "this is not {\"username\": ...}")


def take(session, ceremony):
    """A challenge is good once."""
    begun = session.pop("begun", None)
    if not begun or begun["ceremony"] != ceremony:
        raise Refusal("NothingBegun", f"no {ceremony} is under way")
    return begun


def signed_in(session):
    if not session.get("user"):
        raise Refusal("NotSignedIn", "nobody is signed in")
    return session["user"]


def register_options(session, text):
    name = user_name(text) or signed_in(session).name
    user = users.get(name)
    if user and session.get("user") is not user:
        raise Refusal("NotSignedIn", "this user name is taken: sign in to add a passkey")
    # examples/registration.py, "Complex Options", without a platform attachment; CHANGELOG 2.0.0, "Let
    # generate_registration_options() generate a user ID for you".
    options = generate_registration_options(
        rp_id=RP_ID,
        rp_name="py_webauthn",
        user_id=user.handle if user else None,
        user_name=name,
        attestation=ATTESTATION,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED, user_verification=USER_VERIFICATION
        ),
        exclude_credentials=descriptors(user),
    )
    user = user or User(name, options.user.id)
    session["begun"] = {"ceremony": "registration", "challenge": options.challenge, "user": user}
    return options_to_json(options)


def register_verify(session, text):
    begun = take(session, "registration")
    # examples/registration.py, "Registration Response Verification".
    verified = verify_registration_response(
        credential=text,
        expected_challenge=begun["challenge"],
        expected_rp_id=RP_ID,
        expected_origin=ORIGIN,
        require_user_verification=UV_REQUIRED,
        pem_root_certs_bytes_by_fmt=ROOTS,
    )
    user, id = begun["user"], verified.credential_id
    if id in passkeys:
        raise Refusal("CredentialExists", "this credential is registered already")
    # Who was first to finish has the name.
    if users.setdefault(user.name, user) is not user:
        raise Refusal("NotSignedIn", "this user name is taken: sign in to add a passkey")
    passkeys[id] = user.passkeys[id] = Passkey(user, verified.credential_public_key, verified.sign_count)
    session["user"] = user
    return {"verified": True, "username": user.name}


def authenticate_options(session, text):
    name = user_name(text)
    user = users.get(name)
    if name and not user:
        raise Refusal("UnknownUser", "nobody has this name")
    # examples/authentication.py: "Complex Options" for a known user, else "Simple Options".
    options = generate_authentication_options(
        rp_id=RP_ID, allow_credentials=descriptors(user), user_verification=USER_VERIFICATION
    )
    session["begun"] = {"ceremony": "authentication", "challenge": options.challenge, "user": user}
    return options_to_json(options)


def authenticate_verify(session, text):
    begun = take(session, "authentication")
    # README: "pass JSON-ified responses [...] into parse_registration_credential_json and parse_authentication_credential_json".
    credential = parse_authentication_credential_json(text)
    handle = credential.response.user_handle
    passkey = passkeys.get(credential.raw_id)
    # WebAuthn, 7.2, steps 5 and 6; the library leaves them to its users.
    if not passkey or begun["user"] not in (None, passkey.user):
        raise Refusal("UnknownCredential", "this user has no such credential")
    if handle != passkey.user.handle and not (handle is None and begun["user"]):
        raise Refusal("WrongUserHandle", "the user handle is not that of the credential's user")
    # examples/authentication.py, "Authentication Response Verification".
    verified = verify_authentication_response(
        credential=credential,
        expected_challenge=begun["challenge"],
        expected_rp_id=RP_ID,
        expected_origin=ORIGIN,
        credential_public_key=passkey.public_key,
        credential_current_sign_count=passkey.sign_count,
        require_user_verification=UV_REQUIRED,
    )
    passkey.sign_count = verified.new_sign_count
    session["user"] = passkey.user
    return {"verified": True, "username": passkey.user.name}


def list_passkeys(session, _text):
    return [{"id": bytes_to_base64url(id), "signCount": key.sign_count} for id, key in signed_in(session).passkeys.items()]


def delete_passkey(session, id):
    if not signed_in(session).passkeys.pop(base64url_to_bytes(id), None):
        raise Refusal("UnknownCredential", "this user has no such credential")
    del passkeys[base64url_to_bytes(id)]
    return {}


ROUTES = {
    ("POST", "/register/options"): register_options,
    ("POST", "/register/verify"): register_verify,
    ("POST", "/authenticate/options"): authenticate_options,
    ("POST", "/authenticate/verify"): authenticate_verify,
    ("GET", "/session"): lambda session, _text: {"username": session["user"].name if session.get("user") else None},
    ("POST", "/sign-out"): lambda session, _text: session.clear() or {},
    ("GET", "/passkeys"): list_passkeys,
}


def error(exception):
    """The exception's own words, and those of its causes: "See __cause__ for more info", the library says."""
    code, message = getattr(exception, "code", type(exception).__name__), str(exception)
    while exception := exception.__cause__ or exception.__context__:
        message += f": {type(exception).__name__}: {exception}"
    return {"error": {"code": code, "message": message}}


def answer(route, session, text):
    try:
        return (200, route(session, text)) if route else (404, {})
    # WebAuthnException is what the library's functions are documented to raise.
    except (WebAuthnException, Refusal) as refusal:
        return 400, error(refusal)
    # Nobody expects others: a web framework answers so.
    except Exception as crash:
        traceback.print_exc()
        return 500, error(crash)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer goes out in one piece, at once.
    wbufsize, disable_nagle_algorithm = -1, True

    def handle_request(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
        route = ROUTES.get((self.command, self.path))
        if self.command == "DELETE" and self.path.startswith("/passkeys/"):
            route, text = delete_passkey, self.path.removeprefix("/passkeys/")
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("session")
        with one_at_a_time:
            id = cookie.value if cookie else None
            session = sessions.pop(id, None)
            known, session = session is not None, session or {}
            user = session.get("user")
            status, body = answer(route, session, text)
            # Who signs in or out goes on in a new session.
            new = not known or session.get("user") is not user
            id = secrets.token_urlsafe() if new else id
            sessions[id] = session
        # What the library quotes of a response may hold half a surrogate pair, which is no text.
        sent = (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode(errors="replace")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        if new:
            self.send_header("Set-Cookie", f"session={id}; Path=/; HttpOnly; Secure; SameSite=Strict")
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_DELETE = handle_request

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Handler)
    print(f"py_webauthn on http://127.0.0.1:{server.server_port} for {ORIGIN}", file=sys.stderr, flush=True)
    server.serve_forever()
