"""What every document of the contract has in common: its versions, its field types, its hash."""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from jobforge.canonical import canonical_hash

SCHEMA_VERSION: Final = "2024-09-01"
MODULE_ID: Final = "growth"
HASH_ALGORITHM: Final = "sha256"
CANONICALIZATION: Final = "sorted_keys"

_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY = (
    "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))|" + _LEAP_YEAR + "-02-29)"
)
DATETIME_PATTERN: Final = f"^{_DAY}T(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]+)?)?Z$"
HASH_PATTERN: Final = "^[0-9a-f]{64}$"

_Value = TypeVar("_Value")

if TYPE_CHECKING:
    Optionally = Annotated[_Value | None, "absent"]
else:

    class Optionally:
        """`Optionally[X] = None`: a key that may be absent, which is None here, but is never null in a document."""

        def __class_getitem__(cls, given: Any) -> Any:
            """Pydantic checks what is given and never the default, so the type of what is given is all it needs."""
            return given


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


Text = Annotated[str, StringConstraints(min_length=1)]
Prose = Annotated[str, AfterValidator(_not_empty), Field(json_schema_extra={"minLength": 1})]
"""Text that may have been cut in the middle of an emoji, as JavaScript cuts; `Text` must be proper Unicode."""
DateTime = Annotated[str, StringConstraints(pattern=DATETIME_PATTERN)]
SchemaVersion = Annotated[Text, Field(json_schema_extra={"const": SCHEMA_VERSION})]
ModuleId = Annotated[Text, Field(json_schema_extra={"const": MODULE_ID})]
Hash = Annotated[Text, Field(json_schema_extra={"pattern": HASH_PATTERN})]


class Part(BaseModel):
    """A piece of a document. Types are exact: "1" is no number and 1 is no text. Unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    def document(self) -> dict[str, Any]:
        """As JSON values; keys that were neither given nor have a default are absent. Payloads are not copied."""
        return {
            name: _plain(value)
            for name in type(self).model_fields
            if (value := getattr(self, name, None)) is not None or name in self.model_fields_set
        }


class Envelope(Part):
    """The head and the hash that every file carries."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    module_id: ModuleId
    tenant_id: Text
    project_id: Text
    trace_id: Text
    created_at: DateTime
    canonical_hash: Hash
    canonical_hash_algorithm: Literal["sha256"]
    canonicalization: Literal["sorted_keys"]

    @classmethod
    def sealed(cls, **fields: Any) -> Self:
        """Built from all fields but the three of the hash, which are computed here."""
        return cls.model_validate(seal(cls.model_construct(**fields).document()))


def seal(document: dict[str, Any]) -> dict[str, Any]:
    """`document` with its hash; what a producer calls last."""
    named = {**document, "canonical_hash_algorithm": HASH_ALGORITHM, "canonicalization": CANONICALIZATION}
    return {**named, "canonical_hash": canonical_hash(named)}


def _plain(value: Any) -> Any:
    if isinstance(value, Part):
        return value.document()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
