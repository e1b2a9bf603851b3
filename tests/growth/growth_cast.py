"""The cast: where the vectors are, what a run of the command leaves, and documents with their free text masked."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "contracts" / "vectors"
FREE_TEXT = {"title", "description", "notes", "purpose", "reason", "key_source", "message", "recommendation"}


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def masked(value: Any) -> Any:
    """A document without its free text and without the hash, which covers that text."""
    if isinstance(value, list):
        return [masked(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: "<text>" if key in FREE_TEXT and isinstance(item, str) else masked(item)
        for key, item in value.items()
        if key != "canonical_hash"
    } | ({"failure_modes": ["<text>"] * len(value["failure_modes"])} if "failure_modes" in value else {})
