"""The Files pages: what is typed is never lost, a broken manifest is shown at its line, names are shown, not obeyed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from longhouse import drafts, loading
from longhouse.repo import bootstrap
from tests.browser.furnished import empty_house
from tests.spec.test_pages import OURS, PAGE, Lived, moved_in

HOSTILE = "<img src=x onerror=alert(1)>.py"


@pytest.fixture
def lived(tmp_path: Path) -> Iterator[Lived]:
    with empty_house(tmp_path / "data") as house:
        bootstrap.ensure(house.paths, known_commits=False)
        (house.paths.tree / "jobs" / HOSTILE).write_text("x = 1\n")
        (house.paths.tree / "jobs" / "odd.py").write_text('x = "</textarea><script>alert(1)</script>\u200b"\n')
        loading.settle(house)
        yield moved_in(house, {})


def blob(page: str) -> str:
    found = re.search(r'name="blob" value="([0-9a-f]*)"', page)
    assert found
    return found[1]


def typed(page: str) -> str:
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert found
    return html.unescape(found[1])


def save(lived: Lived, **fields: str) -> str:
    answer = lived.browser.post("/repo/edit", data={"csrf": lived.csrf, **fields}, headers={**OURS, **PAGE})
    return answer.text


def test_names_and_contents_are_shown_and_do_nothing(lived: Lived):
    listed = lived.get("/repo/files")
    assert "&lt;img src=x onerror" in listed and "<img src=x" not in listed and "only with an editor" in listed
    assert "<script>alert" not in lived.get("/repo/files/jobs/odd.py")
    form = lived.browser.get("/repo/edit/jobs/odd.py").text
    assert "<script>alert" not in form and typed(form) == 'x = "</textarea><script>alert(1)</script>\u200b"\n'


def test_an_edit_is_saved_with_the_ends_of_lines_that_the_file_had(lived: Lived):
    made = save(lived, path="jobs/n.py", content="n = 1\r\nm = 2\r\n", new="1", message="N")
    assert "n = " in re.sub("<[^>]+>", "", made)
    assert (lived.house.paths.tree / "jobs" / "n.py").read_bytes() == b"n = 1\nm = 2\n"
    again = save(lived, path="jobs/n.py", content="n = 5\r\n", new="1")
    assert "changed while you edited it" in again, "a new file does not write over one that is there"
    (lived.house.paths.tree / "jobs" / "dos.py").write_bytes(b"a = 1\r\n")
    form = lived.get("/repo/edit/jobs/dos.py")
    save(lived, path="jobs/dos.py", content="a = 2\r\n", blob=blob(form))
    assert (lived.house.paths.tree / "jobs" / "dos.py").read_bytes() == b"a = 2\r\n"
    lived.post("/repo/delete/jobs/n.py", blob=blob(lived.get("/repo/edit/jobs/n.py")))
    assert not (lived.house.paths.tree / "jobs" / "n.py").exists()


def test_a_broken_manifest_is_shown_at_its_line_and_may_become_a_draft(lived: Lived):
    form = lived.get("/repo/edit/manifest.py")
    wrong = "import os\nboom(\n"
    refused = save(lived, path="manifest.py", content=wrong, blob=blob(form))
    assert "manifest.py:2" in refused and typed(refused) == wrong and blob(refused) == blob(form)
    assert re.search(r'class="l del"><b>2</b>', refused)
    save(lived, path="manifest.py", content=wrong, blob=blob(form), act="draft", draft="half")
    assert [each.name for each in drafts.list_drafts(lived.house)] == ["half"]
    assert "half" in lived.get("/repo/files") and "boom(" in lived.get("/repo/drafts/half")
    assert "was never closed" in html.unescape(lived.post("/repo/drafts/half/apply"))
    lived.post("/repo/drafts/half/delete")
    assert drafts.list_drafts(lived.house) == ()


def test_the_removal_of_jobs_asks_first(lived: Lived):
    form = lived.get("/repo/edit/manifest.py")
    fields = {"path": "manifest.py", "content": "", "blob": blob(form)}
    asked = save(lived, **fields)
    assert "removes 1 of 1 jobs: hello" in html.unescape(asked) and 'name="confirm_removal"' in asked
    save(lived, **fields, confirm_removal="on")
    assert (lived.house.paths.tree / "manifest.py").read_bytes() == b""
