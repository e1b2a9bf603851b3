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
    _required: ClassVar[frozenset[str]] = frozenset()
    _fresh: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.fields = {name: cls.__dict__.get(name, REQUIRED) for name in cls.__annotations__}
        cls._required = frozenset(name for name, default in cls.fields.items() if default is REQUIRED)
        cls._fresh = tuple(name for name, default in cls.fields.items() if type(default) is _Fresh)
        cls.__dataclass_fields__ = _StandardFields()  # type: ignore[attr-defined]

    def __init__(self, **given: Any) -> None:
        self._fill(given)

    @classmethod
    def of(cls, given: dict[str, Any]) -> Self:
        """As `cls(**given)`, without the copies of dozens of values that a call makes."""
        made = cls.__new__(cls)
        made._fill(given)
        return made

    def _fill(self, given: dict[str, Any]) -> None:
        values = self.__dict__  # filled by whole dicts: a manifest has hundreds of jobs with dozens of fields
        values.update(self.fields)
        values.update(given)
        if len(values) > len(self.fields):
            raise TypeError(f"{type(self).__name__} has no {', '.join(given.keys() - self.fields)}")
        if not given.keys() >= self._required:
            raise TypeError(f"{type(self).__name__} needs {', '.join(sorted(self._required - given.keys()))}")
        for name in self._fresh:
            if name not in given:
                values[name] = self.fields[name].make()

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
        return {
            name: value if type(value) in PLAIN else _plain(value)  # a call for each would take as long as all else
            for name, value in self.__dict__.items()
        }

    def telling(self) -> dict[str, Any]:
        """As `values`, without what is as it would be anyway: most settings of most jobs."""
        return {
            name: value if type(value) in PLAIN else _plain(value, telling=True)
            for (name, value), default in zip(self.__dict__.items(), self.fields.values(), strict=True)
            if value is not default and (type(value) is not type(default) or value != default)
        }


PLAIN = frozenset((str, int, float, bool, dict, type(None)))


def _plain(value: Any, *, telling: bool = False) -> Any:
    if isinstance(value, Message):
        return value.telling() if telling else value.values()
    if isinstance(value, (list, tuple)):
        return [_plain(each, telling=telling) for each in value]
    return value
