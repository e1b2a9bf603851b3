"""The form that starts a job: one field for each of its parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from starlette.datastructures import FormData

from longhouse.errors import Invalid
from zerg._wire import JobDescription, Parameter

PREFIX = "p."
INPUTS = {"int": ("number", "1"), "float": ("number", "any"), "date": ("date", ""), "datetime": ("datetime-local", "1")}
HINTS = {"list": "One to a line, or between commas", "datetime": "Without an offset: as the job reads it"}


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    value: str
    required: bool
    choices: tuple[str, ...] = ()
    input: str = "text"
    step: str = ""
    hint: str = ""
    error: str = ""


def fields(spec: JobDescription) -> list[Field]:
    """Filled with the values that scheduled runs have."""
    return [_field(parameter, spec.params) for parameter in spec.parameters]


def asks(spec: JobDescription) -> bool:
    """Whether somebody has to fill in something before the job can run."""
    return spec.asks


def given(form: FormData) -> dict[str, str]:
    return {name.removeprefix(PREFIX): str(value) for name, value in form.multi_items() if name.startswith(PREFIX)}


def refused(found: list[Field], values: dict[str, str], error: Invalid) -> list[Field]:
    """The fields as they were sent, each with what is wrong with it."""
    return [
        replace(field, value=values.get(field.name, field.value), error=wrong_with(error, f"params/{field.name}"))
        for field in found
    ]


def wrong_with(error: Invalid, pointer: str) -> str:
    """What an error says about one field; empty if nothing."""
    wrong = {each["pointer"]: str(each["message"]) for each in error.facts.get("errors", [])}
    return wrong.get(f"/{pointer}", "")


def _field(parameter: Parameter, params: dict[str, Any]) -> Field:
    value = params.get(parameter.name, parameter.default)
    kind = parameter.kind
    input_type, step = INPUTS.get(kind, ("text", ""))
    if kind == "datetime" and isinstance(value, str) and ("+" in value or value.endswith("Z")):
        input_type = "text"  # the browser's own field cannot hold an offset
    choices = parameter.choices if kind == "choice" else ("true", "false")
    if value is None:
        choices = ("", *choices)
    return Field(
        name=parameter.name,
        kind=kind,
        value=_text(value),
        required=parameter.required and parameter.name not in params,
        choices=choices,
        input=input_type,
        step=step,
        hint=HINTS.get(kind, ""),
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "\n".join(value) if isinstance(value, list | tuple) else str(value)
