"""Sixty texts that want to be more than text, in every place where a page shows what others wrote: none of them is."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page

from longhouse import accounts, boot, jobs, loading
from longhouse.cli import root
from longhouse.frames import Stream
from longhouse.house import House
from longhouse.queue import Ending
from longhouse.repo import bootstrap, panel
from longhouse.runs.state import Reason, RunState
from longhouse.store import runs as run_rows
from tests.browser.chromium import PROBLEMS, link_of, serving, signed_in, wait_until
from tests.browser.furnished import OWNER, attempt, empty_house, write_jobs

pytestmark = pytest.mark.browser

ACT = "window.pwned=1"
MARKUP = [
    f"<script>{ACT}</script>",
    f"<ScRiPt src=data:,{ACT}></ScRiPt>",
    f"<img src=x onerror={ACT}>",
    f'"><img src=x onerror={ACT}>',
    f"'><svg/onload={ACT}>",
    f"</pre><script>{ACT}</script>",
    f"</code></div></div><script>{ACT}</script>",
    f"</title><script>{ACT}</script>",
    f"</textarea><script>{ACT}</script>",
    f"</style><script>{ACT}</script>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    f"<a href=javascript:{ACT}>x</a>",
    f"<form action=javascript:{ACT}><button autofocus>x",
    f"<details open ontoggle={ACT}>",
    f"<input autofocus onfocus={ACT}>",
    f"<math><mtext><style><img src=x onerror={ACT}>",
    f"<svg><animate onbegin={ACT} attributeName=x dur=1s>",
    f"<body onload={ACT}>",
    "<base href=https://evil.test/>",
    f"<meta http-equiv=refresh content='0;url=javascript:{ACT}'>",
    "<link rel=stylesheet href=https://evil.test/x.css>",
    "<div hx-get=/logout hx-trigger=load></div>",
    f"<div hx-on:load={ACT}>",
    f"<template><script>{ACT}</script></template>",
    f"<hx-partial hx-target=body><script>{ACT}</script></hx-partial>",
    f"<!--><script>{ACT}</script>-->",
    f"<![CDATA[<script>{ACT}</script>]]>",
    f"<%= {ACT} %>",
    "{{ config }}{% raw %}{{ 7 * 7 }}",
    "&lt;script&gt;&#60;script&#62;&#x3c;",
    f"`;{ACT};`",
    f"'-{ACT}-'",
    f"\\u003cscript\\u003e{ACT}\\u003c/script\\u003e",
    f"javascript:{ACT}",
    f"data:text/html,<script>{ACT}</script>",
    "=cmd|' /C calc'!A0",
]
TERMINAL = [
    f"\x1b]8;;javascript:{ACT}\x07click\x1b]8;;\x07",
    f"\x1b]8;;javascript:{ACT}\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]52;c;cm0gLXJmIC8=\x07copied",
    "\x1b]0;title\x07x",
    f"\x1b]0;<script>{ACT}</script>",
    f"\x1bP<script>{ACT}</script>\x1b\\x",
    f"\x1b[31<script>{ACT}</script>",
    f"\x1b[<img src=x onerror={ACT}>m",
    f'\x1b[31"onmouseover={ACT} x="m hello',
    "\x1b[2J\x1b[H\x1b[3J gone",
    "\x1b[8mhidden\x1b[28m",
    "\x1b[5mblink",
    "\x1b[6n\x1b[c\x1b[>c",
    "\x1b[?1049h\x1b[?2004h",
    "\x9b31mC1\x9d0;t\x9c",
    "\x1b" * 200,
    "\x1b[" + "1;" * 1500 + "m",
    "over\rwritten\x08\x08\x08",
    "bell\x07null\x00del\x7f",
    "\u202e\u2066evil\u2069 gnp.exe",
    "\u2028line\u2029paragraph",
    "\ufeffbom\u200bzero\u00adsoft",
    "\U000e0041tags\U000e007f",
    "\ud7ff\ue000\uffff",
    "\x1b]1337;File=name=eA==:AAAA\x07",
]
PAYLOADS = MARKUP + TERMINAL
INSIDE = f"<script>parent.pwned=1;top.pwned=1;{ACT}</script><img src=x onerror=parent.pwned=1>"
FILES = (
    ("text/html", f"<body onload=parent.pwned=1>{INSIDE}<meta http-equiv=refresh content='0;url=https://evil.test/'>"),
    (
        "image/svg+xml",
        f"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9' onload='{ACT}'><script>{ACT}</script></svg>",
    ),
    ("text/csv", "a,b\n" + "\n".join('"' + each.replace('"', '""').replace("\x00", "") + '",1' for each in PAYLOADS)),
    (
        "text/markdown",
        "\n\n".join([*PAYLOADS, f"[x](javascript:{ACT})", "![x](https://evil.test/x.png)", "[y](/logout)"]),
    ),
    ("application/json", '[{"a": "<script>window.pwned=1</script>", "<img src=x onerror=window.pwned=1>": 1e999}]'),
    ("text/plain", "\n".join(PAYLOADS)),
)
"""Artifacts, one for each way in which they are shown."""
RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
BRANCH = "x<img/src=x/onerror=window.pwned=1>"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with empty_house(tmp_path_factory.mktemp("attacked") / "data") as house:
        bootstrap.ensure(house.paths, known_commits=False)
        spoken = [payload.replace("\x00", "") for payload in PAYLOADS]
        comments = "".join(f"    # {each!r}\n" for each in spoken)
        code = f"def run(ctx, text: str = {spoken[0]!r}):\n{comments}    pass\n"
        write_jobs(
            house.paths.tree,
            {
                f"hostile-{number}": (f"description={each!r}, tags=[{each[:60]!r}], params={{'text': {each!r}}}", code)
                for number, each in enumerate(spoken)
            },
        )
        (house.paths.tree / "<img src=x onerror=window.pwned=1>.txt").write_text("\n".join(spoken))
        loading.settle(house)
        assert jobs.manifest(house).ok, jobs.manifest(house).error
        house.notices.extend(PAYLOADS)
        streams = [stream for stream in Stream if stream != Stream.GAP]
        for number, payload in enumerate(PAYLOADS):
            run = jobs.run_now(house, f"hostile-{number}", OWNER)
            error = {"type": payload, "traceback": payload, "file": payload, "line": 1}
            failed = Ending(
                state=RunState.FAILED,
                reason=Reason.EXCEPTION,
                message=payload,
                error=error,
                result={payload: [payload]},
                retry_after_seconds=0,
            )
            printed = tuple((stream, payload.encode("utf-8", "replace") + b"\n") for stream in streams)
            for _ in range(3):
                attempt(house, failed, 10, printed, late=30_000)
            with house.db.write() as db:
                values = {"run_id": run.id, "attempt": 3, "name": payload, "media_type": payload, "size": 1}
                run_rows.add_artifact(db, {**values, "file": "x", "now": house.clock.now()})
            if number < len(FILES):
                media_type, text = FILES[number]
                folder = house.paths.artifacts / str(run.id)
                folder.mkdir(parents=True)
                (folder / "1").write_text(
                    text.replace("\x00", "") if media_type != "text/html" else text, "utf-8", "replace"
                )
                with house.db.write() as db:
                    values = {
                        "run_id": run.id,
                        "attempt": 1,
                        "name": f"{media_type} {payload}",
                        "media_type": media_type,
                    }
                    run_rows.add_artifact(
                        db, {**values, "size": len(text), "file": f"{run.id}/1", "now": house.clock.now()}
                    )
        for payload in (MARKUP[0], MARKUP[3], MARKUP[9], TERMINAL[0], TERMINAL[9], TERMINAL[19]):
            _committed(house, payload)
        _committed(house, "subject\n\n" + "\n".join(spoken))
        yield house


def _committed(house: House, message: str) -> None:
    author = ("-c", f"user.name={MARKUP[2]}", "-c", "user.email=x@example.org")
    command = ["git", *author, "commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", "-"]
    subprocess.run(command, cwd=house.paths.tree, input=message.encode("utf-8", "replace"), check=True)


@pytest.mark.rule("S16")
def test_none_of_them_acts(browser: Browser, attacked: House) -> None:
    assert len(PAYLOADS) >= 60
    with serving(attacked) as address:
        page = signed_in(browser, link_of(attacked, address))
        strange: list[str] = []
        page.on("dialog", lambda dialog: (strange.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: strange.append(request.url) if not request.url.startswith(address) else None)
        head = panel.status(attacked).head
        paths = ["/jobs", "/jobs?after=hostile-40", "/runs", "/runs?before=12", "/repo", f"/repo/commits/{head}"]
        paths += [f"/jobs/hostile-{number}" for number in (0, 30, 60)]
        paths += [f"/runs/{number}" for number in range(1, len(PAYLOADS) + 1)]
        paths += ["/runs/1/rerun", f"/runs/1?q={'x' * 200}", "/runs/1/changes"]
        for path in paths:
            page.goto(path)
            look(page, path)
        for number in range(1, len(FILES) + 1):
            page.goto(f"/runs/{number}")
            for closed in page.locator(".artifacts details:not([open]) > summary").all():
                closed.click()
            page.wait_for_function("() => !document.querySelector('[data-closed]')")
            page.locator(".artifacts img, .artifacts iframe, .artifacts table, .artifacts pre, .md").first.wait_for()
            look(page, f"/runs/{number}")
        subprocess.run(["git", "checkout", "-q", "-b", BRANCH], cwd=attacked.paths.tree, check=True)
        page.goto("/repo")
        look(page, "/repo")
        assert strange == []
        # of artifacts that tried
        inert = re.compile("Blocked script execution in|The document is sandboxed|Loading the image .* violates")
        assert [said for said in PROBLEMS[page] if not inert.search(said)] == []
        page.context.close()


@pytest.mark.rule("S16")
def test_no_control_character_leaves_api_or_command_raw(attacked: House, capfd: pytest.CaptureFixture[str]) -> None:
    """Negative control: the same look at what was stored finds them."""
    with serving(attacked) as address:
        wait_until(lambda: answers(address))
        token = accounts.machine_token(attacked)
        boot.announce(attacked.paths, address, token)
        for path in ("/api/jobs", "/api/runs", f"/api/runs/{len(PAYLOADS)}", f"/api/runs/{len(MARKUP) + 3}/logs"):
            asked = Request(f"{address}{path}", headers={"Authorization": f"Bearer {token}"})
            with urlopen(asked) as answer:
                assert not re.search(b"[\x00-\x1f]", answer.read()), path
        command = ["--data-dir", str(attacked.paths.data)]
        calls = [["jobs", "list"], ["runs", "list", "--limit", "100"], ["jobs", "show", "hostile-40"], ["repo", "log"]]
        for number in range(len(MARKUP) + 1, len(PAYLOADS) + 1, 3):
            calls += [["runs", "show", str(number)], ["runs", "logs", str(number)]]
        for call in calls:
            for more in ([], ["--json"]):
                assert root.run([*command, *call, *more]) == 0, call
                said = "".join(capfd.readouterr())
                plain = re.sub("\x1b\\[[0-9;]*m", "", said) if call[:2] == ["runs", "logs"] else said
                assert said and not RAW.search(plain), call
    with attacked.db.read() as db:
        stored = run_rows.get(db, len(MARKUP) + 3)
    assert stored is not None and RAW.search(stored.message)


def answers(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) == 0


def look(page: Page, path: str) -> None:
    found = page.evaluate(
        """() => ({
          pwned: window.pwned === 1,
          tags: [...document.querySelectorAll("img, iframe, object, embed, base, script:not([src]), template")]
            .filter((each) => !each.matches("iframe[sandbox=''][src^='/runs/']"))
            .filter((each) => !each.matches(".artifact > img[src^='/runs/']")).length,
          handlers: [...document.querySelectorAll("*")].flatMap((each) => [...each.attributes])
            .filter((each) => each.name.startsWith("on") || each.name.startsWith("hx-on")).length,
          raw: /[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]/
            .test(document.documentElement.innerHTML),
        })"""
    )
    assert found == {"pwned": False, "tags": 0, "handlers": 0, "raw": False}, path
    assert page.url.endswith(path)
