"""How pages say states, schedules, times and code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from longhouse.runs.state import Reason, RunState
from longhouse.triggers.misfire import End
from longhouse.triggers.words import in_words
from longhouse.web import diff, source, strip, times, words
from longhouse.web.assets import FOLDER, Assets
from longhouse.web.forms import asks, fields
from tests.conftest import START, job_spec
from zerg._wire import Parameter


def test_every_state_reason_and_end_has_words_and_a_picture() -> None:
    assert set(words.STATES) == set(RunState)
    assert set(words.REASONS) == set(Reason)
    assert set(words.ENDS) == set(End)
    assert set(strip.LETTERS) == set(RunState)
    icons = (FOLDER / "icons.svg").read_text()
    styles = (FOLDER / "longhouse.css").read_text()
    for state in RunState:
        assert f'<symbol id="{state}"' in icons
        assert f".badge.s-{state}" in styles and f"rect.s-{state}" in styles and f"path.s-{state}" in styles


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cron": "0 8 * * *"}, "Every day at 08:00"),
        ({"cron": "@daily"}, "Every day at 00:00"),
        ({"cron": "5 17 * * 1-5"}, "Weekdays at 17:05"),
        ({"cron": "*/5 * * * *"}, "Every 5 minutes"),
        ({"cron": "*/5 * * * * *"}, "Every 5 seconds"),
        ({"cron": "0 4 * * 5#2"}, "At 04:00, on the second Friday of the month"),
        ({"cron": "0 0 13 * 5"}, "At 00:00, on day 13 of the month, or on Friday"),
        ({"cron": None, "every": 5_400}, "Every 1 h 30 min"),
        ({"cron": None, "every": 90}, "Every 1 min 30 s"),
        ({"cron": None}, "By hand only"),
    ],
)
def test_schedules_in_words(settings: dict[str, str | int | None], said: str) -> None:
    assert in_words(job_spec(**settings)) == said


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (0, "now"),
        (4_999, "now"),
        (-12_000, "12 s ago"),
        (65_000, "in 1 min"),
        (3_600_000 * 3 + 60_000 * 7, "in 3 h 7 min"),
        (-3_600_000 * 3, "3 h ago"),
        (3_600_000 * 40, "in 40 h"),
        (-86_400_000 * 12, "12 days ago"),
    ],
)
def test_relative_times(away: int, said: str) -> None:
    assert times.relative(START + away, START) == said


def test_absolute_times_name_their_zone_and_another_year() -> None:
    assert times.absolute(START, "Europe/Berlin", START) == "Wed 4 Feb, 09:00 CET"
    assert times.absolute(START, "Asia/Kolkata", START) == "Wed 4 Feb, 13:30 IST"
    assert times.absolute(START, "America/Sao_Paulo", START) == "Wed 4 Feb, 05:00 UTC-03"
    assert times.absolute(START - 40 * times.DAY, "UTC", START) == "Fri 26 Dec 2025, 08:00 UTC"
    assert times.exact(START + 5) == "2026-02-04 08:00:00.005 UTC"


@pytest.mark.parametrize(
    ("ms", "said"),
    [(None, "–"), (0, "0 ms"), (3_240, "3.2 s"), (45_000, "45 s"), (245_000, "4 min 05 s"), (7_800_000, "2 h 10 min")],
)
def test_durations(ms: int | None, said: str) -> None:
    assert times.duration(ms) == said


def test_sizes() -> None:
    assert [times.size(n) for n in (0, 999, 4_200, 17_000_000)] == ["0 B", "999 B", "4.2 kB", "17 MB"]


def test_a_strip_has_a_bar_for_each_run_and_the_newest_on_the_right() -> None:
    runs = [
        {"id": 3, "state": "running", "started_at": START - 2_000, "finished_at": None},
        {"id": 2, "state": "failed", "started_at": START - 9_000, "finished_at": START - 5_000},
        {"id": 1, "state": "cancelled", "started_at": None, "finished_at": START - 9_000},
    ]
    svg = strip.strip(runs, START, 5)
    assert '<path class="s-running" d="M16 0v-15"/>' in svg and '<path class="s-failed" d="M12 0v-24"/>' in svg
    assert '<path class="s-none" d="M-1.5-1.5H5.5"/>' in svg, "room for two more"
    assert 'data-runs="3R20 1F40 1C"' in svg, "2.0 s, 4.0 s, never started"
    assert "style" not in svg
    assert strip.said(runs) == "Last 3 runs: 1 running, 1 failed, 1 cancelled; newest: running"


@given(st.text())
def test_code_keeps_its_text_whatever_it_is(code: str) -> None:
    rows = code.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    for line, plain in zip(source.lines(code), rows, strict=True):
        assert Markup(line).striptags() == Markup.escape(source.shown(plain)).striptags()


def test_code_is_coloured() -> None:
    lines = source.lines('@app\ndef run(n: int = 1):\n    """Two\n    lines."""\n    return len(f"{n}")  # <b>\n')
    assert lines[1].startswith(
        '<span class="t-k">def</span> <span class="t-d">run</span>(n: <span class="t-b">int</span>'
    )
    assert lines[2] == '    <span class="t-s">&#34;&#34;&#34;Two</span>'
    assert lines[3] == '<span class="t-s">    lines.&#34;&#34;&#34;</span>'
    assert '<span class="t-c"># &lt;b&gt;</span>' in lines[4]


DIFF = """diff --git a/jobs/a.py b/jobs/a.py
index 1..2 100644
--- a/jobs/a.py
+++ b/jobs/a.py
@@ -3,3 +3,3 @@ def run():
 same
-old
+++new
@@ -9 +9 @@
-x
\\ No newline at end of file
+y
diff --git a/n b/n
new file mode 100644
--- /dev/null
+++ "b/\\303\\274.txt"
@@ -0,0 +1 @@
+hello
diff --git a/logo.png b/logo.png
Binary files a/logo.png and b/logo.png differ
"""


def test_a_diff_becomes_files_with_numbered_lines() -> None:
    first, second, third = diff.files(DIFF)[0]
    assert (first.path, first.added, first.removed) == ("jobs/a.py", 2, 2)
    kinds = [(line.kind, line.old, line.new, line.text) for line in first.lines]
    assert kinds[:4] == [
        ("hunk", None, None, "… def run():"),
        ("same", 3, 3, "same"),
        ("del", 4, None, "old"),
        ("add", None, 4, "++new"),
    ]
    assert (second.path, second.added) == ("ü.txt", 1)
    assert (third.path, third.lines[0].text) == ("logo.png", "Not text")


@given(st.text())
def test_no_text_is_too_odd_for_a_diff(text: str) -> None:
    diff.files(text)
    diff.files("diff --git a/x b/x\n@@ -1 +1 @@\n" + text)


def test_a_form_has_the_right_field_for_each_kind() -> None:
    kinds = ("str", "int", "float", "bool", "date", "datetime", "choice", "list")
    spec = job_spec(
        parameters=tuple(Parameter(name=kind, kind=kind, required=True, choices=("a", "b")) for kind in kinds),
        params={"str": "x", "list": ["a", "b"], "bool": True},
    )
    found = {field.name: field for field in fields(spec)}
    assert [found[kind].input for kind in kinds[:6]] == ["text", "number", "number", "text", "date", "datetime-local"]
    assert found["list"].value == "a\nb" and found["bool"].value == "true"
    assert found["choice"].choices == ("", "a", "b"), "nothing is chosen for you"
    assert found["int"].required and not found["str"].required
    assert asks(spec) and not asks(job_spec())


def test_assets_are_named_by_their_content() -> None:
    assets = Assets()
    assert assets.url("vendor/htmx-4.0.1.min.js").startswith("/static/vendor/htmx-4.0.1.min.")
    with pytest.raises(KeyError):
        assets.url("page.py")
