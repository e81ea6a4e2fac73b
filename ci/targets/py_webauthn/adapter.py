"""An adapter for py_webauthn: harness/COMMAND.md on standard input and output. The library is used as in server.py."""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from webauthn import base64url_to_bytes, generate_authentication_options, generate_registration_options, options_to_json
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import bytes_to_base64url, structs
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException


def roots():
    folder = os.environ.get("TRUST_ANCHORS")
    pem = x509.load_pem_x509_certificates(Path(folder, "roots.pem").read_bytes()) if folder else []
    # Written anew: for android-key the library compares roots as text, as OpenSSL writes them.
    pem = [root.public_bytes(Encoding.PEM) for root in pem]
    return {structs.AttestationFormat(name): pem for name in ["packed", "tpm", "android-key", "apple", "fido-u2f"]}


ROOTS = roots()


def algorithms(settings):
    """None stands for the library's own."""
    asked = settings.get("algorithms")
    return asked and {"supported_pub_key_algs": [COSEAlgorithmIdentifier(number) for number in asked]} or {}


def descriptors(listed):
    def one(known):
        transports = [structs.AuthenticatorTransport(name) for name in known["transports"]]
        return structs.PublicKeyCredentialDescriptor(id=base64url_to_bytes(known["id"]), transports=transports)

    return [one(known) for known in listed]


def options(ask):
    settings = ask["settings"]
    challenge = base64url_to_bytes(ask["challenge"]) if "challenge" in ask else None
    verification = structs.UserVerificationRequirement(settings["user-verification"])
    if ask["ceremony"] == "authentication":
        made = generate_authentication_options(
            rp_id=ask["rp"]["id"],
            challenge=challenge,
            allow_credentials=descriptors(ask["allow"]),
            user_verification=verification,
        )
    else:
        made = generate_registration_options(
            rp_id=ask["rp"]["id"],
            rp_name=ask["rp"]["name"],
            user_id=base64url_to_bytes(ask["user"]["id"]),
            user_name=ask["user"]["name"],
            user_display_name=ask["user"]["displayName"],
            challenge=challenge,
            attestation=structs.AttestationConveyancePreference(settings["attestation"]),
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement(settings.get("resident-key", "required")),
                user_verification=verification,
            ),
            exclude_credentials=descriptors(ask["exclude"]),
            **algorithms(settings),
        )
    return {"options": json.loads(options_to_json(made))}


def verify(ask):
    expected = ask["expected"]
    same = {
        "credential": ask["response"],
        "expected_challenge": base64url_to_bytes(expected["challenge"]),
        "expected_rp_id": expected["rp-id"],
        "expected_origin": expected["origin"],
        "require_user_verification": expected["user-verification"] == "required",
    }
    if ask["ceremony"] == "registration":
        made = verify_registration_response(**same, **algorithms(expected), pem_root_certs_bytes_by_fmt=ROOTS)
        id, key = bytes_to_base64url(made.credential_id), bytes_to_base64url(made.credential_public_key)
        return {"accepted": True, "record": {"id": id, "key": key, "counter": made.sign_count}}
    record = ask["record"]
    key, counter = base64url_to_bytes(record["key"]), record["counter"]
    made = verify_authentication_response(**same, credential_public_key=key, credential_current_sign_count=counter)
    return {"accepted": True, "record": {**record, "counter": made.new_sign_count}}


def words(exception):
    """The exception's own words, and those of its causes: "See __cause__ for more info", the library says."""
    message = str(exception)
    while exception := exception.__cause__ or exception.__context__:
        message += f": {type(exception).__name__}: {exception}"
    return message


def start(_ask):
    return {"name": "py_webauthn", "version": version("webauthn"), "language": "Python", "features": ["challenge"]}


def answer(ask):
    try:
        return {"start": start, "options": options, "verify": verify}[ask["do"]](ask)
    # WebAuthnException is what the library's functions are documented to raise.
    except WebAuthnException as refusal:
        return {"rejected": {"code": type(refusal).__name__, "message": words(refusal)}}
    except Exception as crash:
        return {"failed": {"message": f"{type(crash).__name__}: {words(crash)}"}}


for line in sys.stdin:
    ask = json.loads(line)
    if ask["do"] == "stop":
        break
    print(json.dumps({"id": ask["id"], **answer(ask)}), flush=True)
