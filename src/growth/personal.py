"""What personal data looks like in free text: e-mail addresses, phone, card and account numbers."""

import re
from typing import Final

from growth.credentials import Match, Rule, whole

_FILE_ENDINGS = frozenset(
    """
    png jpg jpeg gif svg webp avif ico css js mjs cjs jsx ts tsx json html htm xml md mdx txt map vue
    php py
    """.split()  # noqa: SIM905 - a list of one word a line would hide the code
)
_CONTEXT = r"(?:phones?|telephone|tel|mobile|cell|fax|whatsapp|sms|call|dial|msisdn|telefon|handy)"


def _address(found: Match) -> int | None:
    """`icon@2x.png` and `git@github.com` are not people."""
    ending = found["domain"].rpartition(".")[2].lower()
    if ending in _FILE_ENDINGS or (found["local"].lower() == "git" and found["sign"] == "@"):
        return None
    return 0


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdecimal())


_DATE = re.compile(r"(?:\d{4}[-./ ]\d{1,2}[-./ ]\d{1,2}|\d{1,2}[-./ ]\d{1,2}[-./ ]\d{4})(?!\d)")
_THOUSANDS = re.compile(r"\+?\d{1,3}(?:[ .,]\d{3})+")


def _phone(found: Match) -> int | None:
    text = found[0]
    digits = _digits(text)
    if not 7 <= len(digits) <= 15 or _DATE.match(text):
        return None
    if _THOUSANDS.fullmatch(text) and len(digits) < 10:
        return None
    groups = re.findall(r"\d+", text)
    if text[0] not in "+(" and len(groups) > 1 and all(group.endswith("0") for group in groups):
        return None
    return 0


def _phone_in_context(found: Match) -> int | None:
    return 1 if 7 <= len(_digits(found[1])) <= 15 and not _DATE.match(found[1]) else None


# (first digits, allowed lengths) of the card networks
_NETWORKS = (
    (re.compile(r"4"), {13, 16, 19}),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), {16}),
    (re.compile(r"3[47]"), {15}),
    (re.compile(r"6011|65|64[4-9]|62|35(?:2[89]|[3-8])|81"), {16, 17, 18, 19}),
    (re.compile(r"30[0-5]|36|38|39"), {14, 15, 16, 17, 18, 19}),
    (re.compile(r"50|5[6-8]|6[0347]"), {12, 13, 14, 15, 16, 17, 18, 19}),
)


def _card(found: Match) -> int | None:
    digits = "".join(str(int(digit)) for digit in _digits(found[0]))
    known = any(first.match(digits) and len(digits) in lengths for first, lengths in _NETWORKS)
    return 0 if known and _luhn(digits) else None


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits)))
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0


def _account(found: Match) -> int | None:
    """An IBAN's check digits are right in one of 97 random texts."""
    compact = re.sub(r"[ -]", "", found[0]).upper()
    if not 15 <= len(compact) <= 34:
        return None
    return 0 if int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1 else None


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "email",
        ("@", "＠", "%40", "&#64;", "&#x40;", "\\u0040"),
        re.compile(
            r"(?i)(?P<local>\"[^\"\s@]{1,64}\"|(?<![\w.%+'!#$*~-])[\w.%+'!#$*~-]+)(?P<sign>@|＠|%40|&#64;|&#x40;|\\u0040)"
            r"(?P<domain>[\w-]+(?:\.[\w-]+)*\.(?:[^\W\d_]{2,}|xn--[a-z0-9-]+))"
        ),
        _address,
    ),
    Rule(
        "email",
        ("[at]", "(at)", " at "),
        re.compile(
            r"(?i)(?<![\w.+-])[\w.+-]+\s*(?:[\[(]\s*at\s*[\])])\s*[\w-]+(?:(?:\s*[\[(]\s*dot\s*[\])]\s*|\.)[\w-]+)+"
        ),
        whole,
    ),
    Rule(
        "iban",
        (),
        re.compile(r"\b[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,4})?\b"),
        _account,
        digits=2,
        run=4,
    ),
    Rule("card", (), re.compile(r"(?<![\w.,+])(?<!\w-)\d(?:[ .-]?\d){11,18}(?![\w])(?!-\w)(?!\.\d)"), _card, digits=12),
    Rule(
        "ssn",
        ("-",),
        re.compile(r"(?<![\w-])(?!000|666)[0-8]\d{2}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),
        whole,
        digits=9,
    ),
    Rule(
        "phone",
        ("phone", "tel", "mobile", "cell", "fax", "whatsapp", "sms", "call", "dial", "msisdn", "telefon", "handy"),
        re.compile(
            rf"(?i)\b{_CONTEXT}(?:[\"']?\s*[:=#.]?\s*[\"']?|\s+(?:me|us|him|her|at|on|no|nr|number|to)\b\.?:?\s*){{1,3}}"
            r"(\+?\(?\d(?:[ ().\/-]{0,2}\d){6,14})(?![\w])"
        ),
        _phone_in_context,
        digits=7,
    ),
    Rule(
        "phone", ("+", "＋"), re.compile(r"(?<![\w+])[+＋]\s?\(?\d(?:[ ().\/-]{0,2}\d){7,14}(?!\w)"), _phone, digits=7
    ),
    Rule("phone", (), re.compile(r"(?<![\w.+-])00[1-9](?:[ ().\/-]{0,2}\d){8,13}(?![\w-])"), _phone, digits=7),
    Rule(
        "phone",
        (),
        re.compile(r"(?<![\w.,:/+-])(?:1[ .-])?(?:\([2-9]\d{2}\)\s?|[2-9]\d{2}([ .-]))\d{3}[ .-]\d{4}(?![\w-]|\.\d)"),
        _phone,
        digits=7,
    ),
    Rule(
        "phone",
        (),
        re.compile(
            r"(?<![\w.,:/+-])\(?0\d{1,4}\)?(?:[ /-]\d{6,9}|[ ]\d{3,4}[ -]?\d{3,4}|(?:[ .-]\d{2}){4})(?![\w-]|\.\d)"
        ),
        _phone,
        digits=7,
    ),
)
