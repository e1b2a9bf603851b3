"""What a message is: named values that do not change. As `@dataclass(frozen=True, kw_only=True)`, which it is to type
checkers, without the 40 ms that importing and applying `dataclasses` takes in a child."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_rules):
        return lambda cls: cls


class _Required:
    """The default of a field that has none."""

    def __repr__(self) -> str:
        return "required"


REQUIRED: Any = _Required()


class _Fresh:
    """A default that is made anew for every message."""

    def __init__(self, make: type) -> None:
        self.make = make


def fresh(*, default_factory: type) -> Any:
    """`default_factory()` for each message that does not give the field."""
    return _Fresh(default_factory)


class _StandardFields:
    """Makes `dataclasses.replace`, `asdict` and `fields` work on messages, and costs nothing until one is called."""

    def __get__(self, message: object, owner: type[Message]) -> dict[str, Any]:
        import dataclasses

        shape: Any = dataclasses.make_dataclass(owner.__name__, owner.fields)
        found: dict[str, Any] = shape.__dataclass_fields__
        owner.__dataclass_fields__ = found  # type: ignore[attr-defined]  # in place of this descriptor, from now on
        return found


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(fresh,))
class Message:
    """The base of everything that goes over the wire: its annotations are its fields."""

    fields: ClassVar[dict[str, Any]] = {}
    """Field name -> default, in order."""

    def __init_subclass__(cls) -> None:
        cls.fields = {name: cls.__dict__.get(name, REQUIRED) for name in cls.__annotations__}
        cls.__dataclass_fields__ = _StandardFields()  # type: ignore[attr-defined]

    def __init__(self, **given: Any) -> None:
        values = self.__dict__
        for name, default in self.fields.items():
            if name in given:
                values[name] = given.pop(name)
            elif default is REQUIRED:
                raise TypeError(f"{type(self).__name__} needs {name}")
            else:
                values[name] = default.make() if type(default) is _Fresh else default
        if given:
            raise TypeError(f"{type(self).__name__} has no {', '.join(given)}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be removed")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    def replace(self, **changes: Any) -> Self:
        """A copy with these fields changed."""
        return type(self)(**{**self.__dict__, **changes})

    def values(self) -> dict[str, Any]:
        """The fields as plain values, nested messages too: what JSON can carry, if the values can."""
        return {name: _plain(value) for name, value in self.__dict__.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return value.values()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
