"""Checks a bundle with in-toto's own libraries, without any code of ours.

usage: verify.py BUNDLE KEYS.json THRESHOLD
KEYS.json: {"statement": {keyid: public key in hex}, "sign-offs": {...}}
Exits with 0 when the bundle is accepted, else with 1 and the reason.
"""

import hashlib
import json
import pathlib
import sys

from in_toto_attestation.v1.statement import Statement
from google.protobuf import json_format
import in_toto_attestation.v1.statement_pb2 as statement_pb2
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey


def opened(path, keys):
    """The statement in an envelope, and the ids of the keys that signed it."""
    envelope = Envelope.from_dict(json.loads(path.read_bytes()))
    known = [
        SSlibKey(keyid, "ed25519", "ed25519", {"public": public})
        for keyid, public in keys.items()
    ]
    signers = set(envelope.verify(known, 1))
    if envelope.payload_type != "application/vnd.in-toto+json":
        raise ValueError(f"{path}: payload type {envelope.payload_type}")
    parsed = json_format.Parse(envelope.payload, statement_pb2.Statement())
    statement = Statement.copy_from_pb(parsed)
    statement.validate()
    return parsed, signers


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check(bundle, keys, threshold):
    root = sha256(bundle / "manifest.json")
    statement, _ = opened(bundle / "statement.json", keys["statement"])
    subjects = {subject.name: dict(subject.digest) for subject in statement.subject}
    if subjects.get("evidence-root") != {"sha256": root}:
        raise ValueError("the statement is about another manifest")
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    blobs = [entry["digest"] for entry in manifest["evidence"].values()]
    for digest in [*blobs, *manifest["waivers"], manifest["checklist"]]:
        if sha256(bundle / "blobs" / digest) != digest:
            raise ValueError(f"blob {digest} was altered")
    signers = set()
    for path in sorted((bundle / "sign-offs").iterdir()):
        statement, signed_by = opened(path, keys["sign-offs"])
        if dict(statement.subject[0].digest) != {"sha256": root}:
            raise ValueError(f"{path} signs another root")
        signers |= signed_by
    if len(signers) < threshold:
        raise ValueError(f"{len(signers)} signed off; {threshold} must")


def main():
    bundle, keys, threshold = sys.argv[1:]
    try:
        check(pathlib.Path(bundle), json.loads(pathlib.Path(keys).read_text()), int(threshold))
    except Exception as error:  # whatever is wrong, it is not accepted
        print(f"refused: {type(error).__name__}: {error}")
        sys.exit(1)
    print("accepted")


main()
