"""What a run's page makes of tables, tracebacks, times and artifacts, before any of it is HTML."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longhouse import jobs
from longhouse.house import By, House
from longhouse.runs.state import RunState
from longhouse.store.database import Row
from longhouse.web import attempts, markdown, previews, tables, tracebacks
from longhouse.web.text import CONTROL

# --- tables ---------------------------------------------------------------------------------------------------------


def test_numbers_stay_as_they_were_written() -> None:
    found = tables.of_value(tables.read_json('[{"a": 12345678901234567890123, "b": 1.10}, {"a": 1e400, "c": -0.0}]'))
    assert found is not None
    assert (found.head, found.rows) == (
        ["a", "b", "c"],
        [["12345678901234567890123", "1.10", ""], ["1e400", "", "-0.0"]],
    )
    assert (
        tables.pretty(tables.read_json('{"a": [1.10, {}, []]}'), 100)
        == '{\n  "a": [\n    1.10,\n    {},\n    []\n  ]\n}'
    )


def test_a_table_is_bounded() -> None:
    wide = tables.of_value([{f"c{n}": n for n in range(60)}] * 300)
    assert wide is not None
    assert (len(wide.head), len(wide.rows), wide.more_rows, wide.more_columns) == (50, 200, True, True)
    assert all(len(row) == 50 for row in wide.rows)
    long = tables.of_csv("a\n" + "x" * 5_000, cut=False)
    assert long is not None and len(long.rows[0][0]) < 1_100


@pytest.mark.parametrize("value", [{}, [], {"a": {"b": 1}}, [1, 2], [{"a": 1}, 2], "text", 7, None])
def test_what_is_no_table_is_none(value: object) -> None:
    assert tables.of_value(value) is None


def test_csv_with_each_separator_and_rows_of_any_length() -> None:
    for mark in tables.DELIMITERS:
        found = tables.of_csv(f"a{mark}b\n1{mark}2{mark}3\n4\n", cut=False)
        assert found is not None
        assert found.rows == [["1", "2", "3"], ["4", "", ""]] and found.head == ["a", "b", ""]
    cut = tables.of_csv("a,b\n1,2\n3,4 and so o", cut=True)
    assert cut is not None and cut.rows == [["1", "2"]]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_pretty_is_the_same_json(value: object) -> None:
    text = json.dumps(value)
    assert json.loads(tables.pretty(tables.read_json(text), 10**9)) == value


def test_deep_json_is_no_table_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("[" * 100_000)
    found = previews.preview(tmp_path / "x", "x.json", "application/json", 100_000)
    assert found.kind == "text" and "not JSON" in found.said


# --- artifacts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "media_type", "kind"),
    [
        ("a.png", "image/png", "image"),
        ("a.svg", "image/svg+xml", "image"),
        ("a.html", "text/html; charset=utf-8", "html"),
        ("a.bin", "text/csv", "csv"),
        ("a.csv", "application/octet-stream", "csv"),
        ("a.md", "text/plain", "markdown"),
        ("a.log", "text/x-log", "text"),
        ("a.geojson", "application/geo+json", "json"),
        ("a.html", "application/octet-stream", ""),
        ("a.svg", "application/octet-stream", ""),
        ("a.exe", "application/x-msdownload", ""),
        ("a.xhtml", "application/xhtml+xml", ""),
    ],
)
def test_what_an_artifact_is_shown_as(name: str, media_type: str, kind: str) -> None:
    assert previews.kind_of(name, media_type) == kind
    served = previews.media_type_of(kind, media_type)
    assert (served is not None) == (kind in ("image", "html"))


def test_what_is_not_text_and_what_is_too_large_is_only_downloaded(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a\0b")
    assert previews.preview(tmp_path / "x", "x.txt", "text/plain", 3) == previews.Preview("", said="It is not text.")
    assert previews.preview(tmp_path / "x", "x.html", "text/html", 10**9).kind == ""
    (tmp_path / "x").write_bytes(b"1,2\n" * 400_000)
    found = previews.preview(tmp_path / "x", "x.csv", "text/csv", 1_600_000)
    assert found.table is not None and found.said == "Left out: rows after the first 200."
    (tmp_path / "x").write_bytes(b"line\n" * 400_000)
    text = previews.preview(tmp_path / "x", "x.txt", "text/plain", 2_000_000)
    assert len(text.text) == previews.TEXT and text.said


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


SPOKEN = [
    "<script>x</script>",
    "[a](javascript:alert(1))",
    "[a](/logout)",
    "[a](//evil.test)",
    "![a](https://evil.test/x.png)",
    "<https://ok.test>",
    "[a](https://ok.test '\" onclick=x')",
    "[a][1]\n\n[1]: data:text/html,x",
    "# h\n\n`<b>`",
    "|a|b|\n|-:|:-|\n|1|2|",
    "\x1b]8;;x\x07\u202e",
]


@given(st.lists(st.one_of(st.text(), st.sampled_from(SPOKEN)), max_size=6).map("\n\n".join))
def test_markdown_is_text_and_links_to_elsewhere(text: str) -> None:
    said = markdown.html(text)
    parser = Tags()
    parser.feed(said)
    assert not {tag for tag, _ in parser.found} & {"script", "img", "iframe", "svg", "form", "input", "style", "link"}
    for tag, attributes in parser.found:
        assert set(attributes) <= ({"href", "rel"} if tag == "a" else {"class", "start"}), (tag, attributes)
        if tag == "a":
            assert markdown.LEADS_OUT.fullmatch(str(attributes["href"])) and "nofollow" in str(attributes["rel"])
    assert not CONTROL.search(said)


# --- tracebacks -----------------------------------------------------------------------------------------------------

TRACEBACK = """Traceback (most recent call last):
  File "jobs/a.py", line 3, in run
    help()
    ^^^^^^
  File "/usr/lib/python3.11/socket.py", line 9, in connect
  File "<string>", line 1, in <module>
ValueError: no

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "jobs/b.py", line 1, in <module>
KeyError: 'x'"""


def test_a_traceback_is_taken_apart_by_whose_it_is() -> None:
    found = tracebacks.groups(TRACEBACK)
    assert [(group.own, [step.file for step in group.steps]) for group in found if group.steps] == [
        (True, ["jobs/a.py"]),
        (False, ["/usr/lib/python3.11/socket.py", "<string>"]),
        (True, ["jobs/b.py"]),
    ]
    assert found[1].steps[0].code == ["help()", "^^^^^^"]
    assert found[-1].text == ["KeyError: 'x'"]


@given(st.text())
def test_whatever_a_traceback_says_nothing_of_it_is_lost(text: str) -> None:
    whole = TRACEBACK + "\n" + text
    found = tracebacks.groups(whole)
    kept = "\n".join(line for group in found for line in [*group.text, *(c for step in group.steps for c in step.code)])
    assert all(line.strip() in kept for line in text.splitlines() if not tracebacks.STEP.fullmatch(line))
    assert tracebacks.groups(text) == [] or "File" in text


@pytest.mark.parametrize("path", ["/etc/passwd", "<string>", "../x.py", "a/../../x.py"])
def test_only_files_of_the_repo_are_our_own(path: str) -> None:
    assert not tracebacks.Step(path, 1, "f").own


# --- states ---------------------------------------------------------------------------------------------------------


def test_the_states_of_a_run_one_after_the_other_and_of_very_many_the_ends(
    house: House, add_job: Callable[..., None]
) -> None:
    add_job("job-a")
    run = jobs.run_now(house, "job-a", By("owner", "web"))
    assert [step.kind for step in attempts.states(run, [])] == ["queued"]
    rows: list[Row] = []
    for number in range(12):
        begun, last = 1_000 * number, number == 11
        retry_at = None if last else begun + 900
        rows.append({"started_at": begun, "claimed_at": begun, "finished_at": begun + 500, "retry_at": retry_at})
    tried = replace(run, state=RunState.RETRYING, created_at=0)
    assert [step.kind for step in attempts.states(tried, rows[:2])] == ["queued", *("running", "retrying") * 2]
    found = attempts.states(replace(tried, state=RunState.FAILED, finished_at=11_500), rows)
    assert [step.kind for step in found[:4]] == ["queued", "running", "retrying", ""]
    assert found[3].left_out + len(found) - 1 == 1 + 11 * 2 + 1 + 1
    assert (found[-1].kind, found[-1].until, found[-2].until) == (RunState.FAILED, None, 11_500)
