"""Parameters are read off a function, checked when given, and arrive as what the function asks for."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerg.context import Context
from zerg.parameters import BadParameters, SignatureError, coerce, signature


class Colour(enum.Enum):
    RED = "#f00"
    BLUE = "#00f"


def everything(
    ctx: Context,
    name: str,
    count: int,
    share: float,
    dry: bool,
    day: date,
    at: datetime,
    mode: Literal["fast", "slow"],
    colour: Colour,
    tags: list[str],
    *,
    limit: int | None = None,
    level: Literal[1, 2] = 2,
    note: Optional[str] = "none",  # noqa: UP045  # both spellings occur
    start: Annotated[date, "first day"] = date(2026, 2, 4),
) -> None:
    """A job with a parameter of every kind."""


JSON = {
    "name": "x",
    "count": 3,
    "share": 0.5,
    "dry": True,
    "day": "2026-02-04",
    "at": "2026-02-04T08:00:00+00:00",
    "mode": "fast",
    "colour": "RED",
    "tags": ["a", "b"],
}


def test_every_kind_is_read_off_the_signature() -> None:
    wanted = signature(everything)
    assert wanted.context == "ctx"
    assert {each.name: (each.kind, each.required, each.nullable) for each in wanted.parameters} == {
        "name": ("str", True, False),
        "count": ("int", True, False),
        "share": ("float", True, False),
        "dry": ("bool", True, False),
        "day": ("date", True, False),
        "at": ("datetime", True, False),
        "mode": ("choice", True, False),
        "colour": ("choice", True, False),
        "tags": ("list", True, False),
        "limit": ("int", False, True),
        "level": ("choice", False, False),
        "note": ("str", False, True),
        "start": ("date", False, False),
    }
    known = {each.name: each for each in wanted.parameters}
    assert known["mode"].choices == ("fast", "slow")
    assert known["colour"].choices == ("RED", "BLUE")
    assert known["level"].default == "2"
    assert known["start"].default == "2026-02-04"


def test_values_become_what_the_function_asks_for() -> None:
    given = signature(everything).arguments({**JSON, "limit": None, "level": 1, "start": "2026-03-01"})
    assert given["day"] == date(2026, 2, 4)
    assert given["at"] == datetime(2026, 2, 4, 8, tzinfo=UTC)
    assert given["colour"] is Colour.RED
    assert given["level"] == 1
    assert given["limit"] is None
    assert given["start"] == date(2026, 3, 1)
    assert "note" not in given


def test_text_of_a_form_or_command_line_gives_the_same_as_json() -> None:
    text = {
        "name": "x",
        "count": " 3 ",
        "share": "0.5",
        "dry": "yes",
        "day": "2026-02-04",
        "at": "2026-02-04T08:00:00Z",
        "mode": "fast",
        "colour": "RED",
        "tags": "a, b",
        "limit": "",
        "level": "",
    }
    parameters = signature(everything).parameters
    assert coerce(parameters, text, text=True) == coerce(parameters, JSON)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(BadParameters) as refused:
        coerce(signature(everything).parameters, {**JSON, "count": "3", "mode": "medium", "colour": None, "nmae": 1})
    assert refused.value.problems == {
        "count": "parameter 'count' is '3', but has to be a whole number",
        "mode": "parameter 'mode' is 'medium', but has to be one of fast, slow",
        "colour": "parameter 'colour' must not be empty",
        "nmae": refused.value.problems["nmae"],
    }
    assert refused.value.problems["nmae"].startswith("there is no parameter 'nmae'; this job has name, count")


def test_what_is_missing_is_told_unless_it_may_come_later() -> None:
    parameters = signature(everything).parameters
    with pytest.raises(BadParameters) as refused:
        coerce(parameters, {})
    assert set(refused.value.problems) == set(JSON)
    assert coerce(parameters, {}, partial=True) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", True),
        ("count", 1.0),
        ("share", float("nan")),
        ("share", float("inf")),
        ("share", "1"),
        ("dry", 1),
        ("day", "04.02.2026"),
        ("day", 20260204.5),
        ("at", "yesterday"),
        ("tags", "a,b"),
        ("tags", [1]),
        ("name", 5),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BadParameters) as refused:
        coerce(signature(everything).parameters, {**JSON, name: value})
    assert list(refused.value.problems) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", "x"), ("count", "9" * 5000), ("share", "nan"), ("share", "1e999"), ("dry", "maybe"), ("day", "soon")],
)
def test_text_of_the_wrong_kind_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadParameters) as refused:
        coerce(signature(everything).parameters, {name: value}, text=True, partial=True)
    assert list(refused.value.problems) == [name]


def test_an_empty_text_is_a_text() -> None:
    def job(name: str, note: str | None = None) -> None: ...

    assert coerce(signature(job).parameters, {"name": "", "note": ""}, text=True) == {"name": ""}


def contexts() -> list[tuple[Callable[..., Any], str | None]]:
    def nothing() -> None: ...
    def plain(ctx): ...  # type: ignore[no-untyped-def]
    def other(context): ...  # type: ignore[no-untyped-def]
    def typed(c: Context): ...  # type: ignore[no-untyped-def]
    def any_type(ctx: Any) -> None: ...
    def parameter(name: str) -> None: ...
    def default(name="x"): ...  # type: ignore[no-untyped-def]
    def keyword(*, name): ...  # type: ignore[no-untyped-def]
    async def later(ctx, *, name: str): ...  # type: ignore[no-untyped-def]

    wanted = [None, "ctx", "context", "c", "ctx", None, None, None, "ctx"]
    return list(zip((nothing, plain, other, typed, any_type, parameter, default, keyword, later), wanted, strict=True))


@pytest.mark.parametrize(("function", "context"), contexts())
def test_the_context_is_the_first_parameter_that_says_nothing_else(
    function: Callable[..., Any], context: str | None
) -> None:
    assert signature(function).context == context


def test_a_type_can_be_seen_from_the_default() -> None:
    def job(*, name="x", count=3, dry=False): ...  # type: ignore[no-untyped-def]

    assert [each.kind for each in signature(job).parameters] == ["str", "int", "bool"]


def test_a_wrapped_function_keeps_its_parameters() -> None:
    import functools

    @functools.wraps(everything)
    def wrapper(*args: Any, **kwargs: Any) -> None: ...

    assert signature(wrapper).parameters == signature(everything).parameters


def wrong() -> list[tuple[Callable[..., Any], str]]:
    def untyped(ctx, when=date(2026, 1, 1)): ...  # type: ignore[no-untyped-def]
    def mapping(ctx, values: dict[str, str]) -> None: ...  # type: ignore[no-untyped-def]
    def numbers(ctx, values: list[int]) -> None: ...  # type: ignore[no-untyped-def]
    def either(ctx, value: int | str) -> None: ...  # type: ignore[no-untyped-def]
    def unknown(ctx, value: Nowhere) -> None: ...  # type: ignore[no-untyped-def,name-defined]  # noqa: F821
    def positional(ctx, value: int, /) -> None: ...  # type: ignore[no-untyped-def]
    def late(name: str, ctx: Any) -> None: ...
    def default(ctx, count: int = "three") -> None: ...  # type: ignore[no-untyped-def,assignment]

    return [
        (untyped, "needs a type"),
        (mapping, "has the type dict"),
        (numbers, "can be str, int, float"),
        (either, "can be str, int, float"),
        (unknown, "cannot be evaluated: name 'Nowhere' is not defined"),
        (positional, "cannot be given by name"),
        (late, "'ctx' has to be the first parameter"),
        (default, "the default of 'count' is 'three'"),
        (print, "no signature to read"),
    ]


@pytest.mark.parametrize(("function", "sentence"), wrong())
def test_a_function_that_cannot_be_a_job_is_refused(function: Callable[..., Any], sentence: str) -> None:
    with pytest.raises(SignatureError) as refused:
        signature(function)
    assert sentence in str(refused.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(st.dictionaries(st.sampled_from([*JSON, "limit", "note", "level", "start"]), VALUES), st.booleans())
def test_whatever_is_given_is_refused_by_name_or_travels_as_json(values: dict[str, Any], text: bool) -> None:
    parameters = signature(everything).parameters
    try:
        found = coerce(parameters, values, text=text, partial=True)
    except BadParameters as refused:
        assert set(refused.problems) <= set(values)  # noqa: PT017
    else:
        assert coerce(parameters, json.loads(json.dumps(found, allow_nan=False)), partial=True) == found
