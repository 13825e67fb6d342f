"""A security key made of software: signs in as a FIDO token would.

Arguments: kind, `ed25519` or `ecdsa`; flags, what the token says it saw (1: a touch, 4: a PIN); application, what it
signs for; show: print the public key's line and leave; expect, `in` or `refused`.
"""

import base64
import hashlib

import paramiko
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from paramiko.message import Message

from client import ARGS, check, equal, leave, transport
from rawsftp import Raw

APPLICATION = "ssh:"


class SecurityKey(paramiko.PKey):
    def __init__(self, kind):
        self.kind = kind
        blob = Message()
        if kind == "ed25519":
            self.secret = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
            self.name = "sk-ssh-ed25519@openssh.com"
            raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            blob.add_string(self.name)
        else:
            self.secret = ec.derive_private_key(0x1234567, ec.SECP256R1())
            self.name = "sk-ecdsa-sha2-nistp256@openssh.com"
            raw = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
            blob.add_string(self.name)
            blob.add_string("nistp256")
        blob.add_string(self.secret.public_key().public_bytes(*raw))
        blob.add_string(APPLICATION)
        self.blob = blob.asbytes()
        self.public_blob = None

    def asbytes(self):
        return self.blob

    def get_name(self):
        return self.name

    def can_sign(self):
        return True

    def sign_ssh_data(self, data, algorithm=None):
        trailer = bytes([ARGS["flags"]]) + (9).to_bytes(4, "big")
        signed = hashlib.sha256(ARGS["application"].encode()).digest() + trailer + hashlib.sha256(data).digest()
        message = Message()
        message.add_string(self.name)
        if self.kind == "ed25519":
            message.add_string(self.secret.sign(signed))
        else:
            parts = Message()
            for part in decode_dss_signature(self.secret.sign(signed, ec.ECDSA(hashes.SHA256()))):
                parts.add_mpint(part)
            message.add_string(parts.asbytes())
        message.add_bytes(trailer)
        return message


key = SecurityKey(ARGS["kind"])
if ARGS.get("show"):
    print(key.name, base64.b64encode(key.blob).decode())
    leave()
connection = transport(auth=False)
try:
    connection.auth_publickey(ARGS["account"], key)
    found = "in"
except paramiko.AuthenticationException:
    found = "refused"
equal(found, ARGS["expect"], "flags %d" % ARGS["flags"])
if found == "in":
    check(Raw(connection).alive(), "SFTP does not work")
leave()
