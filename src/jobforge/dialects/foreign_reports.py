"""Reports of the sister modules: read for their head and hash, which is what an ingester can hold them to."""

from collections.abc import Callable
from typing import Any, Final

from jobforge.collation import locale_order
from jobforge.dialects import finops, ops, support
from jobforge.dialects.dialect import seal_violations
from jobforge.envelope import Part, Text
from jobforge.validation import wrong_version
from jobforge.violations import Violation, shape


class _Head(Part):
    schema_version: Text
    module_id: Text
    tenant_id: Text
    project_id: Text
    trace_id: Text


def _seal(
    holder: str, field: str, order: Callable[[str], Any] | None = None
) -> Callable[[dict[str, Any]], list[Violation]]:
    return lambda document: seal_violations(document, holder, field, order)


# dialect: the key that tells it inside `canonicalization` ("" for `hash` beside it), its version, its seal
_FORMS: Final = {
    "ops": ("hash", ops.VERSION, _seal("canonicalization", "hash")),
    "finops": ("canonical_hash", finops.VERSION, _seal("canonicalization", "canonical_hash")),
    "support": ("", support.VERSION, _seal("hash", "canonical_json_hash", locale_order)),
}


def foreign_dialect(document: dict[str, Any]) -> str:
    """Whose report it is; "" for our own."""
    form = document.get("canonicalization")
    for name, (key, _, _) in _FORMS.items():
        if (isinstance(form, dict) and key in form) or (not key and isinstance(document.get("hash"), dict)):
            return name
    return ""


def foreign_report_violations(document: dict[str, Any], dialect: str) -> list[Violation]:
    """Faults of a report that `foreign_dialect` recognised."""
    _, version, seal = _FORMS[dialect]
    faults = shape(_Head, document)[1]
    stated = document.get("schema_version")
    if isinstance(stated, str) and stated != version:
        faults.append(wrong_version(stated, version))
    return faults + seal(document)
