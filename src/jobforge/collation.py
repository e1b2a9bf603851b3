"""The order in which JavaScript's `localeCompare` puts keys: needed for the one module that hashes in that order.

A close reading of the Unicode collation algorithm with CLDR's root order: exact for printable ASCII and for Latin
letters with accents; other scripts go by code point, which is right within a script and for the order of most scripts.
"""

import unicodedata
from typing import Final

from jobforge.canonical import key_order

_SYMBOLS: Final = "\t\n\v\f\r\x85\u2028\u2029 _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
_RANK: Final = {symbol: rank for rank, symbol in enumerate(_SYMBOLS)}
_OTHER_SYMBOL = len(_SYMBOLS)
_DIGIT = _OTHER_SYMBOL + 1
_LETTER = _OTHER_SYMBOL + 2
_IGNORED = frozenset({"Cc", "Cf"})  # control and format characters have no weight

Weights = tuple[tuple[tuple[int, int], ...], tuple[int, ...], tuple[int, ...]]


def locale_order(key: str) -> tuple[tuple[int, int, bytes], Weights]:
    """Sort key of an object's key: array indices first, where an object puts them, then letters, accents, case."""
    index = key_order(key)
    if index[0] == 0:
        return index, ((), (), ())
    return (1, 0, b""), _weights(key)


def _weights(key: str) -> Weights:
    letters: list[tuple[int, int]] = []
    accents: list[int] = []
    cases: list[int] = []
    for character in unicodedata.normalize("NFD", key):
        category = unicodedata.category(character)
        if category == "Mn":
            accents.append(ord(character))
        elif character in _RANK or category not in _IGNORED:
            for part in character.casefold():
                letters.append(_letter(part, category))
                accents.append(0)
                cases.append(int(character != part))
    return tuple(letters), tuple(accents), tuple(cases)


def _letter(character: str, category: str) -> tuple[int, int]:
    if character in _RANK:
        return (_RANK[character], 0)
    if category == "Nd":
        return (_DIGIT, unicodedata.digit(character))
    if category[0] in "PSZ":
        return (_OTHER_SYMBOL, ord(character))
    return (_LETTER, ord(character))
