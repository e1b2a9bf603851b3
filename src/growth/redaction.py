"""Replaces what looks like a credential or personal data, before anything is derived from the text.

Ids, keys and hashes are computed from redacted inputs, so a secret is not even in a digest of ours.
"""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from growth import credentials, personal
from growth.credentials import Match, Rule

_RULES = (*credentials.RULES, *personal.RULES)
_PUBLISHED = ("mailto:", "tel:", 'a[href="mailto:', 'a[href="tel:')
_SECRET_FIELD = credentials.SECRET_NAME
Model = TypeVar("Model", bound=BaseModel)


@dataclass
class Redaction:
    """One pass over a run's texts; `counts` says how many of each kind were replaced."""

    counts: dict[str, int] = field(default_factory=dict)
    published: bool = False  # True: mailto: and tel: links are what the page publishes, and stay

    _clean: set[str] = field(default_factory=set)  # short texts in which nothing was found: most texts come again

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def text(self, text: str) -> str:
        """`text` with a marked placeholder for everything that looks confidential."""
        if text in self._clean:
            return text
        redacted = self._text(text)
        if redacted == text and len(text) < 300 and len(self._clean) < 50_000:
            self._clean.add(text)
        return redacted

    def _text(self, text: str) -> str:
        if len(text) < 6 or (len(text) < 14 and text.isidentifier()):
            return text  # no credential of ours is so short a word
        if self.published and text.startswith(_PUBLISHED):
            return text
        lowered = text.lower()
        digits = sum(map(str.isdigit, text))
        run = max(map(len, text.split()), default=0)
        for rule in _RULES:
            if rule.digits > digits or rule.run > run:
                continue
            if not rule.hints or any(hint in lowered for hint in rule.hints):
                text = self._replaced(rule, text)
        return text

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it redacted, keys included; nesting costs memory only."""
        box: list[Any] = [value]
        pending: list[tuple[Any, Any, str]] = [(box, 0, "")]
        while pending:
            parent, place, name = pending.pop()
            current = parent[place]
            if isinstance(current, str):
                parent[place] = self._named(name, current)
            elif isinstance(current, dict):
                parent[place] = copied = {self.text(key): item for key, item in current.items()}
                pending.extend((copied, key, key) for key in copied)
            elif isinstance(current, list | tuple):
                parent[place] = items = list(current)
                pending.extend((items, index, name) for index in range(len(items)))
        return box[0]

    def model(self, model: Model) -> Model:
        """A copy of a validated section with every text redacted; shape, numbers and absent keys as before."""
        return type(model).model_construct(**self._fields(model))

    def _fields(self, model: BaseModel) -> dict[str, Any]:
        return {name: self._member(getattr(model, name)) for name in model.model_fields_set}

    def _member(self, member: Any) -> Any:
        if isinstance(member, BaseModel):
            return self.model(member)
        if isinstance(member, list) and member and isinstance(member[0], BaseModel):
            return [self.model(item) for item in member]
        return self.value(member)

    def _named(self, name: str, text: str) -> str:
        if name and text and "[redacted" not in text and _SECRET_FIELD.fullmatch(name):
            return self._mark("password")
        return self.text(text)

    def _replaced(self, rule: Rule, text: str) -> str:
        def replacement(found: Match) -> str:
            part = rule.part(found)
            if part is None:
                return found[0]
            start, end = found.span(part)
            return found[0][: start - found.start()] + self._mark(rule.kind) + found[0][end - found.start() :]

        return rule.pattern.sub(replacement, text)

    def _mark(self, kind: str) -> str:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"[redacted:{kind}]"
