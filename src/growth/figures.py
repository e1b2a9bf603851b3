"""Numbers and lengths as ECMAScript counts them, because our documents are compared with those of such a program."""

import math

from jobforge.canonical import js_number


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units: an emoji counts two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int) -> str:
    """At most `limit` UTF-16 units of `text`, ending at the end of a word where one is near."""
    if utf16_length(text) <= limit:
        return text
    units = text.encode("utf-16-le", "surrogatepass")[: 2 * (limit - 1)]
    kept = units.decode("utf-16-le", "ignore")
    space = kept.rfind(" ")
    if space > len(kept) // 2:
        kept = kept[:space]
    return kept.rstrip(" ,;:.|-") + "…"


def rounded(number: float) -> float:
    """Nearest integer, halves up (-2.5 is -2), as Math.round; not finite stays as it is."""
    if not math.isfinite(number):
        return number
    below = math.floor(number)
    return below if number - below < 0.5 else below + 1


def percent(rate: float) -> str:
    """A rate as people read it: `64.9 %`, `50 %`."""
    share = float(rate) * 100
    if not math.isfinite(share):
        return "more than can be written"
    return f"{js_number(rounded(share * 10) / 10)} %"
