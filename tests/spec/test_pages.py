"""What the pages promise: they show what is so, they say what to do next, and nothing of what they show can act."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from time import process_time
from typing import NamedTuple
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from longhouse import accounts, history, jobs, loading
from longhouse.house import SYSTEM, House
from longhouse.queue import Ending
from longhouse.repo import bootstrap, panel
from longhouse.runs.state import Reason, RunState
from longhouse.web.text import CONTROL
from tests.browser.furnished import NOW, OWNER, add_jobs, app_of, attempt, empty_house, furnish, hand_clock, write_jobs

BASE = "http://localhost:4747"
OURS = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
PAGE = {"Accept": "text/html"}


class Lived(NamedTuple):
    """A house with a person in it: signed in, with the token that forms carry."""

    house: House
    browser: TestClient
    csrf: str
    runs: dict[str, int]

    def get(self, path: str, status: int = 200) -> str:
        answer = self.browser.get(path, headers=PAGE)
        assert answer.status_code == status, (path, answer.status_code)
        assert not CONTROL.search(answer.text)
        return answer.text

    def post(self, path: str, **fields: str) -> str:
        """What the page after it says."""
        answer = self.browser.post(path, data={"csrf": self.csrf, **fields}, headers={**OURS, **PAGE})
        return answer.text


def moved_in(house: House, runs: dict[str, int]) -> Lived:
    browser = TestClient(app_of(house), base_url=BASE)
    link = accounts.login_link(house, BASE, SYSTEM)
    browser.post("/login", data={"code": link.partition("code=")[2], "next": "/"}, headers={**OURS, **PAGE})
    found = re.search('name="csrf" content="([^"]+)"', browser.get("/jobs", headers=PAGE).text)
    assert found
    return Lived(house, browser, found[1], runs)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """Shared: tests here only look."""
    with empty_house(tmp_path_factory.mktemp("lived") / "data") as house:
        yield moved_in(house, furnish(house))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Lived]:
    """One of its own for each test that acts."""
    with empty_house(tmp_path / "data") as house:
        bootstrap.ensure(house.paths, known_commits=False)
        write_jobs(house.paths.tree)
        loading.settle(house)
        yield moved_in(house, {})


# --- signing in -----------------------------------------------------------------------------------------------------


def test_a_login_link_shows_one_button_and_is_only_used_up_by_it(fresh: Lived) -> None:
    stranger = TestClient(app_of(fresh.house), base_url=BASE)
    link = accounts.login_link(fresh.house, BASE, SYSTEM)
    for _ in range(3):
        assert stranger.get(link, headers=PAGE).text.count("<button") == 2, "sign in, and the theme"
    code = link.partition("code=")[2]
    home = stranger.post("/login", data={"code": code, "next": "/runs"}, headers={**OURS, **PAGE})
    assert home.url.path == "/runs" and home.status_code == 200
    again = TestClient(app_of(fresh.house), base_url=BASE).post("/login", data={"code": code}, headers={**OURS, **PAGE})
    assert again.status_code == 410
    assert "has been used already" in again.text and "longhouse-jobs login-link" in again.text


def test_the_password_form_is_there_once_a_password_is_set(fresh: Lived) -> None:
    stranger = TestClient(app_of(fresh.house), base_url=BASE)
    assert 'type="password"' not in stranger.get("/login", headers=PAGE).text
    accounts.set_password(fresh.house, "correct horse battery", OWNER)
    assert 'type="password"' in stranger.get("/login", headers=PAGE).text
    wrong = stranger.post("/login", data={"password": "wrong horse battery"}, headers={**OURS, **PAGE})
    assert wrong.status_code == 403 and "The password is wrong" in wrong.text
    right = stranger.post("/login", data={"password": "correct horse battery"}, headers={**OURS, **PAGE})
    assert right.url.path == "/"


def test_signing_out_ends_it(fresh: Lived) -> None:
    fresh.post("/logout")
    assert fresh.browser.get("/jobs", headers=PAGE).url.path == "/login"


# --- jobs -----------------------------------------------------------------------------------------------------------


def test_the_jobs_page_says_what_and_when_and_how_it_went(lived: Lived) -> None:
    text = lived.get("/jobs")
    for said in ("daily-digest", "Send my daily summary.", "Every day at 08:00", "0 8 * * *", "Thu 5 Feb, 08:00 CET"):
        assert said in text
    assert "Thu 5 Feb, 02:30 EST" in text, "in the job's own zone"
    assert '1 degraded, 2 failed; newest: succeeded"' in text
    assert 'aria-label="clean-up on"' in text and "Disabled" in text
    assert "Run … invoice-report with parameters" in text, "it asks before it runs"


def test_a_job_page_shows_code_settings_runs_and_every_past_due_time(lived: Lived) -> None:
    text = lived.get("/jobs/check-website")
    assert '<span class="t-k">def</span>' in text and "jobs/check_website.py" in text
    assert "1, never again" in text and "Every 5 minutes" in text
    assert "in 4 min" in text or "in 5 min" in text
    ledger = lived.get("/jobs/check-website/firings")
    assert "Caught up" in ledger and "and 790 before" in ledger


def test_run_now_leads_to_the_run(fresh: Lived) -> None:
    assert "Run 1 <span" in fresh.post("/jobs/weather/run")
    assert history.get(fresh.house, 1).actor == "owner" and history.get(fresh.house, 1).surface == "web"


def test_a_form_with_parameters_fills_in_and_says_what_does_not_fit(fresh: Lived) -> None:
    page = fresh.get("/jobs/invoice-report")
    assert '<option value="csv" selected>' in page and 'type="date"' in page
    values = {"p.month": "soon", "p.form": "pdf", "p.copies": "2", "p.dry_run": "true", "p.recipients": "a\nb"}
    refused = fresh.post("/jobs/invoice-report/run", **values)
    assert "has to be a date" in refused and 'value="2"' in refused and 'aria-invalid="true"' in refused
    assert history.list_runs(fresh.house)[0] == []
    fresh.post("/jobs/invoice-report/run", **{**values, "p.month": "2026-01-01"})
    assert history.get(fresh.house, 1).params == {
        "month": "2026-01-01",
        "form": "pdf",
        "copies": 2,
        "dry_run": True,
        "recipients": ["a", "b"],
    }


def test_a_refusal_is_a_sentence_with_a_way_on(fresh: Lived) -> None:
    fresh.post("/jobs/weather/run")
    text = fresh.post("/jobs/weather/run")
    assert "Weather has run 1, which is queued" in text and 'href="/runs/1"' in text
    quiet = fresh.browser.post("/jobs/weather/run", data={"csrf": fresh.csrf}, headers={**OURS, **PAGE, "X-Toast": "1"})
    assert quiet.status_code == 200 and "toast bad" in quiet.text and "<html" not in quiet.text


def test_disable_and_enable(fresh: Lived) -> None:
    fresh.post("/jobs/weather/disable")
    assert not jobs.get_job(fresh.house, "weather").job.enabled
    assert "Would be due" in fresh.get("/jobs/weather")
    fresh.post("/jobs/weather/enable", **{"from": "jobs"})
    assert jobs.get_job(fresh.house, "weather").job.enabled


def test_no_form_works_without_the_pages_own_token(fresh: Lived) -> None:
    for path in ("/jobs/weather/run", "/jobs/weather/disable", "/repo/init", "/logout"):
        answer = fresh.browser.post(path, data={}, headers={**OURS, **PAGE})
        assert answer.status_code == 403 and "lacks the session" in answer.text
    assert history.list_runs(fresh.house)[0] == []


def test_an_empty_list_teaches_the_next_step(tmp_path: Path) -> None:
    with empty_house(tmp_path / "data") as house:
        newcomer = moved_in(house, {})
        assert "job_registry.register" in newcomer.get("/jobs")
        assert "Nothing has run yet" in newcomer.get("/runs")
        repo = newcomer.get("/repo")
        assert "Initialize jobs repo" in repo
        assert "Update jobs: first commit" in newcomer.post("/repo/init")


# --- runs -----------------------------------------------------------------------------------------------------------


def test_the_runs_page_filters_and_pages(lived: Lived) -> None:
    assert "ConnectionError: bucket.example.org" in lived.get("/runs?state=failed")
    assert "daily-digest" not in lived.get("/runs?state=failed")
    assert "weather" not in re.sub("(?s)<head>.*?</head>", "", lived.get("/runs?job=backup-photos"))
    assert "No such runs" in lived.get("/runs?job=nobody")
    assert f'href="/runs/{lived.runs["failed"]}"' not in lived.get(f"/runs?before={lived.runs['failed']}")


def test_a_failed_run_shows_the_users_own_traceback_first(lived: Lived) -> None:
    text = lived.get(f"/runs/{lived.runs['failed']}")
    assert text.index('id="traceback"') < text.index('id="output"') < text.index('id="attempts-h"')
    assert "jobs/backup_photos.py:6" in text and "Attempt 3" in text
    assert "by hand, owner (browser)" in text
    assert '<div class="l e" id="L9">' in text, "error output is told apart"
    assert "javascript:" not in text, "a link in the output is dropped"
    assert '<i class="x">⟨RLO⟩</i>' in text


def test_each_attempt_has_its_own_output(lived: Lived) -> None:
    run = lived.runs["failed"]
    assert 'data-attempt="2"' in lived.get(f"/runs/{run}?attempt=2")
    lived.get(f"/runs/{run}?attempt=9", status=404)


def test_result_artifacts_and_parameters(lived: Lived) -> None:
    text = lived.get(f"/runs/{lived.runs['digest']}")
    assert "you@example.org" in text and "&#34;items&#34;: 40" in text
    assert f'href="/api/runs/{lived.runs["digest"]}/artifacts/digest.html?attempt=1"' in text
    answer = lived.browser.get(f"/api/runs/{lived.runs['digest']}/artifacts/digest.html?attempt=1")
    assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]


def test_a_running_run_has_progress_and_can_be_cancelled(lived: Lived) -> None:
    text = lived.get(f"/runs/{lived.runs['running']}")
    assert '<progress id="progress" max="812" value="300">' in text and "Moving notes" in text
    assert f'action="/runs/{lived.runs["running"]}/cancel"' in text and "/rerun" not in text


def test_cancel_and_rerun(fresh: Lived) -> None:
    fresh.post("/jobs/weather/run")
    assert "Cancelled by owner before it started." in fresh.post("/runs/1/cancel")
    assert "run 1 again, owner (browser)" in fresh.post("/runs/1/rerun", code="same")
    assert history.get(fresh.house, 2).pinned
    assert "has ended already" in fresh.post("/runs/1/cancel")


# --- the jobs repo --------------------------------------------------------------------------------------------------


def test_the_repo_page_says_how_it_stands_and_what_happened(lived: Lived) -> None:
    head = panel.status(lived.house).head
    assert head
    text = lived.get("/repo")
    assert "Ready" in text and head[:8] in text and "the newest commit" in text and "Update jobs: first commit" in text
    diff = lived.get(f"/repo/commits/{head}")
    assert "manifest.py" in diff and '<div class="l add">' in diff
    lived.get("/repo/commits/" + "0" * 40, status=404)


def test_what_is_staged_is_said_to_be_left_to_who_staged_it(fresh: Lived) -> None:
    tree = fresh.house.paths.tree
    (tree / "notes.md").write_text("mine\n")
    assert "Changes settle" in fresh.get("/repo") and panel.status(fresh.house).staged is False
    subprocess.run(["git", "add", "notes.md"], cwd=tree, check=True)
    text = fresh.get("/repo")
    assert "Yours to commit" in text and "left to whoever staged it" in text
    assert panel.status(fresh.house).staged is True


def test_a_broken_manifest_is_said_on_every_page(fresh: Lived) -> None:
    loaded = jobs.manifest(fresh.house).loaded_commit
    assert loaded
    (fresh.house.paths.tree / "manifest.py").write_text("from zerg.jobs import job_registry\nimport <b>oops</b>\n")
    loading.settle(fresh.house)
    for path in ("/jobs", "/jobs/weather", "/runs", "/repo", "/jobs/none"):
        text = fresh.browser.get(path, headers=PAGE).text
        assert "The manifest cannot be read" in text, path
        assert "manifest.py:2" in text and loaded[:8] in text and "keep running" in text
        assert "<b>oops" not in text
    write_jobs(fresh.house.paths.tree)
    loading.settle(fresh.house)
    assert "The manifest cannot be read" not in fresh.get("/jobs")


def test_what_the_owner_should_know_is_on_every_page(fresh: Lived) -> None:
    fresh.house.notices.append("Disk space is <low>.")
    assert "Disk space is &lt;low&gt;." in fresh.get("/runs")


# --- problems -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/jobs/none", 404, "There is no job"),
        ("/runs/999", 404, "There is no run 999"),
        ("/runs/x", 422, "Some values do not fit"),
        ("/nowhere", 404, "There is nothing at /nowhere"),
        ("/repo/commits/zz", 404, ""),
    ],
)
def test_a_problem_is_a_page_for_those_who_read_pages(lived: Lived, path: str, status: int, said: str) -> None:
    text = lived.get(path, status=status)
    assert said in text and "<h1>" in text and 'href="/jobs"' in text
    assert lived.browser.get(path).headers["content-type"] == "application/problem+json"


# --- nothing that is shown can act ----------------------------------------------------------------------------------

PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title><script>alert(1)</script>",
    "' onmouseover='alert(1)",
    "</pre></code><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    '" hx-get="/logout" hx-trigger="load',
    "javascript:alert(1)",
    "\x1b]8;;javascript:alert(1)\x07x\x1b]8;;\x07",
    "\u202egnp.exe\u2066\x00\x9b31m",
    "<!--<script>",
    "&lt;script&gt;",
]


class Acting(HTMLParser):
    """Everything in a page that could act, and that our own templates would not have."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("iframe", "img", "object", "embed", "base", "style") or (tag == "script" and "src" not in values):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            address = (value or "").strip().lower()
            leads = name in ("href", "src", "action", "formaction") and address.startswith(("javascript:", "data:"))
            if name.startswith("on") or name == "style" or leads:
                self.found.append(f"{tag} {name}={value}")
            if name.startswith("hx-") and (tag not in ("div", "section") or (value or "").startswith("/log")):
                self.found.append(f"{tag} {name}={value}")
            if name == "src" and not address.startswith("/static/"):
                self.found.append(f"{tag} {name}={value}")


def acting(text: str) -> list[str]:
    parser = Acting()
    parser.feed(text)
    return parser.found


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.rule("S16")
def test_hostile_text_stays_text_wherever_it_stands(fresh: Lived, payload: str) -> None:
    house, tree = fresh.house, fresh.house.paths.tree
    spoken = "".join(character for character in payload if character != "\x00")
    settings = f'description={spoken!r}, tags=[{spoken[:60]!r}], project="p", params={{"text": {spoken!r}}}'
    write_jobs(tree, {"hostile": (settings, f"def run(ctx, text: str = ''):\n    # {spoken!r}\n    raise OSError\n")})
    loading.settle(house)
    assert jobs.manifest(house).ok, jobs.manifest(house).error
    house.notices.append(payload)
    jobs.run_now(house, "hostile", OWNER)
    error = {"type": payload, "traceback": payload, "file": payload, "line": 1}
    ending = Ending(
        state=RunState.FAILED, reason=Reason.EXCEPTION, message=payload, error=error, result={payload: payload}
    )
    attempt(house, ending, 10, ((0, payload.encode() + b"\n"), (1, payload.encode() + b"\n")))
    head = panel.status(house).head
    for path in ("/jobs", "/jobs/hostile", "/runs", "/runs/1", "/repo", f"/repo/commits/{head}"):
        assert acting(fresh.get(path)) == [], path
    given = quote(payload, safe="")
    for path in (f"/runs?job={given}", f"/jobs?after={given}", f"/login?next={given}", f"/jobs/{given}"):
        assert acting(fresh.browser.get(path, headers=PAGE).text) == [], path


def test_pages_carry_a_policy_that_lets_nothing_inline_run(lived: Lived) -> None:
    answer = lived.browser.get("/jobs", headers=PAGE)
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    for path in ("/jobs", "/runs", f"/runs/{lived.runs['failed']}", "/repo"):
        text = lived.get(path)
        assert not re.search(r"<script(?![^>]* src=)", text) and " style=" not in text and " onclick" not in text


# --- how fast -------------------------------------------------------------------------------------------------------


def test_the_jobs_page_stays_fast_with_a_thousand_jobs(fresh: Lived) -> None:
    add_jobs(fresh.house, 1_000)
    hand_clock(fresh.house).ms = NOW
    fresh.get("/jobs")
    taken = []
    for _ in range(5):
        begun = process_time()
        text = fresh.get("/jobs")
        taken.append(process_time() - begun)
    assert min(taken) <= 0.1, taken
    assert len(text.encode()) <= 100_000
    following = re.search(r'href="(/jobs\?page=[^"]+)" rel="next"', text)
    shown = set(re.findall(r"job-\d{4}", text))
    assert following and not shown.intersection(re.findall(r"job-\d{4}", fresh.get(following[1])))


def test_static_files_are_kept_for_ever_under_the_name_of_their_content(lived: Lived) -> None:
    address = re.search(r'href="(/static/longhouse\.[0-9a-f]{12}\.css)"', lived.get("/jobs"))
    assert address
    answer = lived.browser.get(address[1])
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert lived.browser.get("/static/longhouse.css").status_code == 404
    assert lived.browser.get("/static/../web/page.py").status_code == 404


# --- secrets --------------------------------------------------------------------------------------------------------


def test_a_secret_goes_in_by_the_page_and_is_never_on_it(fresh):
    value = "correct-horse-battery-staple-42"
    assert "No secrets yet" in fresh.get("/secrets")
    page = fresh.post("/secrets", name="SMTP_PASSWORD", value=value)
    assert "SMTP_PASSWORD" in page and "••••e-42" in page and value not in page
    refused = fresh.post("/secrets", name="OTHER", value="password")
    assert "looks like an ordinary word" in refused and "Set OTHER" in refused
    assert 'value="password"' not in refused and ">password<" not in refused
    assert "No secrets yet" in fresh.post("/secrets/SMTP_PASSWORD/remove")
