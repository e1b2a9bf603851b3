"""The five shapes of a bundle that an ingester meets, told apart by their content."""

from typing import Any, Final

from jobforge.bundles import JobRequestBundle
from jobforge.dialects.dialect import Dialect
from jobforge.dialects.finops import FINOPS
from jobforge.dialects.native import NATIVE
from jobforge.dialects.ops import OPS
from jobforge.dialects.support import SUPPORT
from jobforge.validation import bundle_violations

GROWTH: Final = Dialect(
    "growth",
    lambda document: isinstance(document.get("canonicalization"), str),
    bundle_violations,
    JobRequestBundle.model_validate,
)

# The first that recognises a document reads it; what none recognises is held against our own shape.
DIALECTS: Final[tuple[Dialect, ...]] = (GROWTH, OPS, SUPPORT, FINOPS, NATIVE)


def recognised(document: dict[str, Any]) -> Dialect:
    """The dialect of a bundle."""
    return next((dialect for dialect in DIALECTS if dialect.told(document)), GROWTH)
