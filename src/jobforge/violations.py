"""What is wrong with a document: every fault at once, each with a place."""

from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from jobforge.canonical import sha256_of
from jobforge.errors import Refused
from jobforge.strict import escaped_step

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Violation:
    """`code` is stable and documented in docs/contracts.md; `path` is a JSON pointer, "" for the whole document."""

    code: str
    path: str
    message: str
    hint: str

    def below(self, path: str) -> "Violation":
        """The same fault, seen from further up; rules name places relative to what they look at."""
        return replace(self, path=path + self.path)

    def document(self) -> dict[str, str]:
        return asdict(self)


def pointer(*steps: str | int) -> str:
    """JSON pointer (RFC 6901) from unescaped steps."""
    return "".join(f"/{escaped_step(str(step))}" for step in steps)


def shape(model: type[_Model], value: Any, name: str = "The document") -> tuple[_Model | None, list[Violation]]:
    """`value` as a `model`, or None and every field that is missing or of the wrong type; `name` is for messages."""
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        return None, _from_pydantic(error, name)


def hash_mismatch(stated: Any, path: str, computed: str) -> list[Violation]:
    """A fault unless the document states the hash that its content has."""
    if not isinstance(stated, str) or stated == computed:
        return []
    return [
        Violation(
            "document.hash",
            path,
            f"The content of the document has the hash {computed}, it states {shown(stated)}.",
            "The document was changed after it was hashed, or hashed in another form; ask its producer for a new one.",
        )
    ]


def hash_of(value: Any, *, plain: bool | None = None) -> tuple[str, list[Violation]]:
    """sha256 of the canonical text, or the fault that it has none."""
    try:
        return sha256_of(value, plain=plain), []
    except Refused as error:
        return "", [Violation(error.code, "", error.message, error.hint)]


def shown(value: Any) -> str:
    """Text from a document, quoted, on one line and short enough for a message."""
    text = ascii(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _from_pydantic(error: ValidationError, whole: str) -> list[Violation]:
    """One violation per place; a union that fits nowhere would otherwise complain once per alternative."""
    found: dict[str, Violation] = {}
    for fault in error.errors(include_url=False, include_input=False):
        steps = [step for step in fault["loc"] if step not in _UNION_BRANCHES]
        path = pointer(*steps)
        kind = fault["type"] if len(steps) == len(fault["loc"]) else "union_type"
        found.setdefault(path, _violation(path, _name(steps) or whole, kind, fault.get("ctx", {})))
    return list(found.values())


_UNION_BRANCHES = frozenset({"str", "int", "float", "bool"})  # pydantic names the alternative; a pointer does not
_KINDS = {
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "union_type": "must be text, a number, true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}


_FORMS = {
    "tenant_id": "The module that wrote this allows only some characters in a tenant; see docs/contracts.md.",
    "project_id": "The module that wrote this allows only some characters in a project; see docs/contracts.md.",
    "bundle_id": "Use lower-case letters, digits and hyphens.",
}


def _name(steps: list[str | int]) -> str:
    """The last key and the positions behind it: `requests/2`."""
    start = max((position for position, step in enumerate(steps) if isinstance(step, str)), default=0)
    return "/".join(map(str, steps[start:]))


def _violation(path: str, name: str, kind: str, context: dict[str, Any]) -> Violation:
    hint = "docs/contracts.md and the schemas in contracts/ say what is allowed."
    if kind == "missing":
        return Violation("document.missing", path, f"{name} is missing.", f"Add {name}; the contract requires it.")
    if kind in _KINDS:
        return Violation("document.type", path, f"{name} {_KINDS[kind]}.", hint)
    if kind == "literal_error":
        return Violation("document.value", path, f"{name} must be {context['expected']}.", hint)
    if kind == "string_pattern_mismatch":
        form = _FORMS.get(name, "Write a UTC date and time such as 2024-01-31T08:00:00Z.")
        return Violation("document.value", path, f"{name} does not have the required form.", form)
    if kind == "string_too_short":
        return Violation("document.value", path, f"{name} must not be empty.", hint)
    if kind == "value_error":
        return Violation("document.value", path, f"{name} {context['error']}.", hint)
    return Violation("document.value", path, f"{name} has a value that is not allowed.", hint)
