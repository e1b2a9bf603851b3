"""The typed parameters of a job: read off its function, checked when given, made Python values in the child.

Between the two they travel as JSON: a date as `2026-02-04`, an Enum member by its name, a Literal as its text.
"""

from __future__ import annotations

import sys

from zerg._kinds import KINDS, Given
from zerg._wire import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


class SignatureError(ValueError):
    """A function that cannot be a job as it is written."""


class BadParameters(ValueError):
    """What is wrong with given values; `problems` has one sentence for each name."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = problems


class Signature:
    """What a job function wants: perhaps the context, and its parameters."""

    def __init__(self, context: str | None, kinds: dict[str, tuple[Parameter, Callable[[Any], Any]]]) -> None:
        self.context = context
        """The name of the parameter that takes the context."""
        self.parameters = tuple(parameter for parameter, _ in kinds.values())
        self._to_python = {name: to_python for name, (_, to_python) in kinds.items()}

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Coerced values as the function wants them: dates, Enum members."""
        return {
            name: None if value is None else self._to_python[name](value)
            for name, value in coerce(self.parameters, values).items()
        }


def signature(function: Callable[..., Any]) -> Signature:
    """What `function` wants. Raises SignatureError."""
    inner: Any = function
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    code = getattr(inner, "__code__", None)
    if code is None:
        raise SignatureError(f"{function!r} has no signature to read; give a function")
    if not code.co_argcount + code.co_kwonlyargcount:
        return Signature(None, {})
    positional = code.co_varnames[: code.co_argcount]
    named = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    defaults = dict(zip(reversed(positional), reversed(inner.__defaults__ or ()), strict=False))
    defaults.update(inner.__kwdefaults__ or {})
    annotations = _annotations(inner)
    context = _context(positional, annotations, defaults)
    kinds = {}
    for name in (*positional, *named):
        if name == context:
            continue
        if name in positional[: code.co_posonlyargcount]:
            raise SignatureError(f"parameter {name!r} cannot be given by name; remove the / after it")
        kinds[name] = _parameter(name, annotations, defaults)
    if context is not None and context in positional and positional[0] != context:
        raise SignatureError(f"{context!r} has to be the first parameter")
    return Signature(context, kinds)


def _context(positional: Sequence[str], annotations: dict[str, Any], defaults: dict[str, Any]) -> str | None:
    """The first parameter, if it says nothing of its type or says Context; or whichever is called ctx."""
    if "ctx" in positional:
        return "ctx"
    if not positional or positional[0] in defaults:
        return None
    first = positional[0]
    if first not in annotations or getattr(annotations[first], "__module__", None) == "zerg.context":
        return first
    return None


def _annotations(function: Any) -> dict[str, Any]:
    """Annotations as types; text (`from __future__ import annotations`) is evaluated in the function's module."""
    try:
        raw = function.__annotations__
    except Exception as error:
        raise SignatureError(f"a type of {function.__name__}() cannot be evaluated: {error}") from error
    found = {}
    for name, annotation in raw.items():
        if name == "return":
            continue
        if isinstance(annotation, str):
            try:
                # the text comes from the module that is being imported
                annotation = eval(annotation, function.__globals__)  # noqa: S307
            except Exception as error:
                if name == "ctx":
                    continue
                raise SignatureError(f"the type of parameter {name!r} cannot be evaluated: {error}") from error
        found[name] = annotation
    return found


def _parameter(
    name: str, annotations: dict[str, Any], defaults: dict[str, Any]
) -> tuple[Parameter, Callable[[Any], Any]]:
    default = defaults.get(name)
    if name in annotations:
        kind, choices, nullable, to_python = _kind(name, annotations[name])
    elif name not in defaults or type(default) in (str, int, float, bool):
        kind, choices, nullable, to_python = type(default).__name__ if name in defaults else "str", (), False, _same
    else:
        raise SignatureError(f"parameter {name!r} needs a type, as in {name}: str")
    nullable = nullable or (name in defaults and default is None)
    shape = Parameter(name=name, kind=kind, required=name not in defaults, choices=choices, nullable=nullable)
    if name in defaults and default is not None:
        try:
            shape = shape.replace(default=_one(shape, default, text=False))
        except Given as problem:
            raise SignatureError(f"the default of {name!r} {problem}") from problem
    return shape, to_python


def _same(value: Any) -> Any:
    return value


def _kind(name: str, annotation: Any) -> tuple[str, tuple[str, ...], bool, Callable[[Any], Any]]:
    """Kind, choices, whether None is allowed, and how the JSON value becomes what the annotation says."""
    if hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    origin, inside = getattr(annotation, "__origin__", None), getattr(annotation, "__args__", ())
    typing = sys.modules.get("typing")
    if type(annotation) is type(int | None) or (typing and origin is typing.Union):
        rest = [each for each in inside if each is not type(None)]
        if len(rest) == 1:
            kind, choices, _, to_python = _kind(name, rest[0])
            return kind, choices, len(rest) < len(inside), to_python
    if typing and origin is typing.Literal:
        by_text = {str(value): value for value in inside if value is not None}
        return "choice", tuple(by_text), None in inside, by_text.__getitem__
    if annotation in (str, int, float, bool):
        return annotation.__name__, (), False, float if annotation is float else _same
    if annotation is list or (origin is list and inside == (str,)):
        return "list", (), False, _same
    if isinstance(annotation, type):
        enum = sys.modules.get("enum")
        if enum and issubclass(annotation, enum.Enum):
            members: Any = annotation.__members__  # type: ignore[attr-defined]
            return "choice", tuple(members), False, members.__getitem__
        if annotation.__module__ == "datetime" and annotation.__name__ in ("date", "datetime"):
            return annotation.__name__, (), False, annotation.fromisoformat  # type: ignore[attr-defined]
    shown = getattr(annotation, "__qualname__", None) or str(annotation)
    raise SignatureError(
        f"parameter {name!r} has the type {shown}; a job's parameters can be str, int, float, bool, date, datetime, "
        "Literal, Enum or list[str], or one of these | None"
    )


def coerce(
    parameters: Sequence[Parameter], values: Mapping[str, Any], *, text: bool = False, partial: bool = False
) -> dict[str, Any]:
    """`values` checked and in their JSON form; raises BadParameters with every problem.

    `text`: values are text, as a command line or a form gives them. `partial`: nothing has to be there, as in the
    settings of a job whose parameters are given when somebody runs it. What is not given stays away, so that the
    function's own default counts.
    """
    if not parameters and not values:
        return {}
    known = {parameter.name: parameter for parameter in parameters}
    names = ", ".join(known) or "no parameters"
    problems = {name: f"there is no parameter {name!r}; this job has {names}" for name in values if name not in known}
    found = {}
    for name, parameter in known.items():
        if name in values and not (text and values[name] == "" and _left_empty(parameter)):
            try:
                found[name] = _one(parameter, values[name], text=text)
            except Given as problem:
                problems[name] = f"parameter {name!r} {problem}"
        elif parameter.required and not partial:
            problems[name] = f"parameter {name!r} is needed"
    if problems:
        raise BadParameters(problems)
    return found


def _left_empty(parameter: Parameter) -> bool:
    """An empty field of a form means "not given", except for text, where it is a value."""
    return parameter.kind != "str" or (parameter.nullable and not parameter.required)


def _one(parameter: Parameter, value: Any, *, text: bool) -> Any:
    """The JSON form of one value. Raises Given."""
    if value is None:
        if parameter.nullable:
            return None
        raise Given("must not be empty")
    from_text, from_json = KINDS[parameter.kind]
    found = from_text(value) if text and isinstance(value, str) else from_json(value)
    if parameter.kind == "choice" and found not in parameter.choices:
        raise Given(f"is {found!r}, but has to be one of {', '.join(parameter.choices)}")
    return found
