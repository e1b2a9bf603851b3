"""Fixtures and schemas against their committed snapshots: a change of the wire format must be meant."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from jobforge.canonical import canonical_hash, pretty
from jobforge.documents import read
from jobforge.envelope import SCHEMA_VERSION
from jobforge.errors import Refused
from jobforge.schemas import SCHEMAS
from jobforge.strict import parse

INPUTS: Final = "inputs.json"  # what the fixtures are made from; no output of ours


def snapshot(fixtures: Mapping[str, bytes]) -> dict[str, Any]:
    """What is committed: per file the hash of its bytes, and for a document also its canonical hash."""
    return {
        "schema_version": SCHEMA_VERSION,
        "files": {name: _hashes(name, data) for name, data in sorted(fixtures.items()) if name != INPUTS},
    }


def drift(committed: Mapping[str, Any], fixtures: Mapping[str, bytes], schemas: Mapping[str, bytes]) -> list[str]:
    """A sentence for everything that differs from what was committed or is not acceptable; empty means compatible."""
    found = snapshot(fixtures)
    sentences = []
    if committed.get("schema_version") != SCHEMA_VERSION:
        stated = committed.get("schema_version")
        sentences.append(f"The snapshots are of schema version {stated}, the code is of {SCHEMA_VERSION}.")
    files = committed.get("files", {})
    for name in sorted(files.keys() | found["files"].keys()):
        sentences.extend(_file_drift(name, files.get(name), found["files"].get(name)))
    for name, data in sorted(fixtures.items()):
        if name.endswith(".json") and name != INPUTS:
            sentences.extend(f"{name}{fault.path}: {fault.message}" for fault in read(data).violations)
    return sentences + _schema_drift(schemas)


def schema_files() -> dict[str, bytes]:
    """File name and content of every committed JSON Schema."""
    return {f"{name}.json": (pretty(schema) + "\n").encode() for name, schema in SCHEMAS.items()}


def _hashes(name: str, data: bytes) -> dict[str, str]:
    hashes = {"sha256": hashlib.sha256(data).hexdigest()}
    if name.endswith(".json"):
        try:
            document = parse(data)
        except Refused:
            return hashes
        if isinstance(document, dict):
            hashes["canonical_hash"] = canonical_hash(document)
    return hashes


def _file_drift(name: str, committed: Any, found: Any) -> list[str]:
    if found is None:
        return [f"{name} is in the snapshots but not among the fixtures."]
    if committed is None:
        return [f"{name} is among the fixtures but not in the snapshots."]
    return [
        f"{name} has the {kind} {found.get(kind)}, the snapshot says {committed.get(kind)}."
        for kind in ("canonical_hash", "sha256")
        if found.get(kind) != committed.get(kind)
    ]


def _schema_drift(schemas: Mapping[str, bytes]) -> list[str]:
    return [
        f"{name} differs from the schema of the models." if name in schemas else f"{name} is missing."
        for name, data in schema_files().items()
        if schemas.get(name) != data
    ]
