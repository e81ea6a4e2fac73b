"""The WSGI application, as "The WSGI Script" of the documentation has it, and what an administrator sets once:
an administrator, the relying party and the trust anchors. All of it can be read and changed over the API."""
import os
import re

from privacyidea.app import create_app
from privacyidea.lib.auth import create_db_admin
from privacyidea.lib.config import set_privacyidea_config
from privacyidea.lib.policy import set_policy

application = create_app(config_name="production", config_file=os.environ["PRIVACYIDEA_CONFIGFILE"], silent=True)

with application.app_context():
    create_db_admin("admin", "admin@localhost", os.environ.pop("PI_ADMIN_PASSWORD"))

    # "Enrollment policies": both of these are needed before a WebAuthn token or a passkey can be enrolled.
    set_policy("rp", scope="enrollment", realm="local",
               action=f"webauthn_relying_party_id={os.environ['RP_ID']}, webauthn_relying_party_name=rp")

    # "WebAuthn Token Config": a folder with one PEM file for each trust anchor.
    if os.environ.get("TRUST_ANCHORS"):
        folder = os.path.join(os.environ["PI_STATE"], "trust_anchors")
        os.mkdir(folder)
        with open(os.path.join(os.environ["TRUST_ANCHORS"], "roots.pem")) as file:
            roots = re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", file.read(), re.S)
        for number, root in enumerate(roots):
            with open(os.path.join(folder, f"{number}.pem"), "w") as file:
                file.write(root + "\n")
        set_privacyidea_config("webauthn.trust_anchor_dir", folder)
