"""The document, the page and the stylesheet say the same of the design language; no page has a look of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from longhouse.web import words
from longhouse.web.assets import FOLDER
from longhouse.web.design import COLOURS, SIZES, SPACES, TOKENS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "design-language.md").read_text(encoding="utf-8")
SHEETS = sorted(FOLDER.glob("*.css"))


def test_every_token_is_documented_and_every_documented_token_exists() -> None:
    rows = re.findall(r"^\| `--([a-z0-9-]+)` \|", DOCUMENT, re.MULTILINE)
    assert sorted(rows) == sorted(TOKENS) and len(rows) == len(set(rows))
    assert set(re.findall(r"`--([a-z0-9-]+)`", DOCUMENT)) <= set(TOKENS)


def test_the_document_has_the_values_of_the_stylesheet() -> None:
    for name in COLOURS:
        value = TOKENS[name].removeprefix("light-dark(").removesuffix(")")
        light, _, dark = value.partition(", ")
        assert f"| `--{name}` | {light} | {dark or light} |" in DOCUMENT, name
    for name in (*SPACES, *SIZES, "round"):
        assert f"| `--{name}` | {TOKENS[name]} |" in DOCUMENT, name


def test_the_page_has_a_swatch_for_each_token() -> None:
    sheet = (FOLDER / "design.css").read_text(encoding="utf-8")
    for letter, names in (("c", COLOURS), ("w", SPACES), ("z", SIZES)):
        assert re.findall(rf"^\.{letter}-([a-z0-9-]+) {{", sheet, re.MULTILINE) == list(names)


def test_every_state_is_in_the_document_with_its_word() -> None:
    for state, word in words.STATES.items():
        assert f"| `{state}` | {word} |" in DOCUMENT


def test_every_component_of_the_document_is_in_a_stylesheet() -> None:
    section = DOCUMENT.partition("## Components")[2].partition("\n## ")[0]
    named = {
        name for cell in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE) for name in re.findall(r"`(.+?)`", cell)
    }
    everything = "".join(sheet.read_text(encoding="utf-8") for sheet in SHEETS)
    assert {name for name in named if not re.search(rf"\.{name}\b", everything)} == set()
    assert len(named) > 15


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_a_stylesheet_uses_tokens_that_exist_and_no_colour_of_its_own(sheet: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
    own = set(re.findall(r"--([a-z0-9-]+)\s*:", text))
    assert set(re.findall(r"var\(--([a-z0-9-]+)", text)) <= set(TOKENS) | own
    if sheet.name == "contrast.css":  # the same tokens with stronger values, and nothing else
        assert own <= set(TOKENS)
        text = re.sub(r"--[a-z0-9-]+:[^;]+;", "", text)
    if sheet.name != "longhouse.css":  # the colours of code and of output: tokens of their own kind, all in one place
        found = set(re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*;)", text))
        assert found <= ({"#ffffff"} if sheet.name == "run.css" else set()), "artifacts stand on white paper"
