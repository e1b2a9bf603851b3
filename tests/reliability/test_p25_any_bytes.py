"""Whatever a job prints is a valid log: the API answers JSON, the page shows text and nothing else."""

from __future__ import annotations

import json
import random
from http.client import HTTPConnection
from typing import Any

from tests.instance import STARTER, Instance
from tests.reliability.seeds import a_seed

MANIFEST = """
from jobs.noise import run as noise
from jobs.returns import run as returns

job_registry.register(JobConfig(id="noise", func=noise, overlap="allow", max_attempts=1))
job_registry.register(JobConfig(id="returns", func=returns, overlap="allow"))
"""
NOISE = """
import os, random, sys

PIECES = [
    b"\\xff\\xfe\\x80", b"\\x00", b"\\x1b[31m", b"\\x1b]0;title\\x07", b"\\x1b[2J\\x1b[H",
    b"\\xed\\xa0\\x80", b"\\xc0\\xaf",
    "\\u202e\\u2066\\u2069\\u200b\\ufeff\\u2028\\u2029".encode(), b"<script>alert(1)</script>",
    b"</pre>", b"&amp;", b"\\r", b"\\n",
    b"\\x08\\x0b\\x0c\\x7f\\x85\\x9b", "\\U0001f600".encode()[:3], b'"}],', b"plain words",
]

def run(ctx, seed: str):
    chance = random.Random(seed)
    for _ in range(3000):
        data = chance.choice(PIECES) if chance.random() < 0.8 else chance.randbytes(chance.randrange(1, 60))
        os.write(chance.choice((1, 2)), data)
    ctx.log.info("\\ud800 half a pair, \\x00 and \\u202e")
    ctx.progress(1, 2, "\\x1b[31m \\x00 \\u202e")
    os.write(1, b"\\nthe end\\n")
    raise RuntimeError("\\x1b[31m \\x00 \\u202e <script>")
"""
RETURNS = """
import os

def run():
    for _ in range(100):
        os.write(1, b"\\r" * 50_000)
    os.write(1, b"\\nthe end\\n")
"""


def test_any_bytes_are_a_valid_log(instance: Instance, proves) -> None:
    instance.start()
    instance.manifest(STARTER + MANIFEST, noise=NOISE, returns=RETURNS)
    seed, count = a_seed(), 6
    noisy = [instance.run("noise", seed=f"{seed} {number}")["id"] for number in range(count)]
    flooding = instance.run("returns")["id"]
    answers, largest = 0, 0
    cookie = signed_in(instance)
    for run_id in (*noisy, flooding):
        ended = instance.ended(run_id, seconds=60)
        assert ended["state"] == ("succeeded" if run_id == flooding else "failed"), (seed, ended)
        for path in (f"/api/runs/{run_id}", f"/api/runs/{run_id}/logs", "/api/runs?limit=100"):
            status, body, kind = raw(instance, path)
            assert status == 200 and kind.startswith("application/json"), (seed, path, status)
            json.loads(body.decode("utf-8"))
            answers, largest = answers + 1, max(largest, len(body))
        assert "the end" in whole(instance, run_id), seed
        status, body, kind = raw(instance, f"/runs/{run_id}", cookie)
        page = body.decode("utf-8")
        assert status == 200 and kind.startswith("text/html"), (seed, status)
        assert "<script>alert" not in page and "\x00" not in page and "\x1b" not in page and "\u202e" not in page, seed
        answers, largest = answers + 1, max(largest, len(body))
    assert largest <= 6.5 * 1024 * 1024  # 1 MiB of text, of which JSON may make six bytes each
    assert "Traceback" not in instance.log, instance.log
    proves(
        "P25",
        f"{count} outputs of random bytes, escapes and control characters and one of 5,000,000 carriage returns:"
        f" {answers} of {answers} answers valid JSON or clean HTML, the largest {largest / 1024:.0f} KiB",
        control=unescaped(seed),
    )


def unescaped(seed: str) -> str:
    """The same kind of bytes put into JSON and pages as they are."""
    chance, bad = random.Random(seed), 0
    for _ in range(100):
        data = b'"' + chance.randbytes(60) + b'"'
        try:
            json.loads(data.decode("utf-8"))
        except ValueError:
            bad += 1
    assert bad > 90
    return f"put in as they are: {bad} of 100 documents unreadable"


def whole(instance: Instance, run_id: int) -> str:
    """All lines of the log, page by page."""
    lines, following = list[str](), ""
    while True:
        found = instance.get(f"/api/runs/{run_id}/logs?limit=500{following}")
        lines += [item["text"] for item in found["items"]]
        if found["next"] is None:
            return "\n".join(lines)
        following = f"&cursor={found['next']}"


def raw(instance: Instance, path: str, cookie: str = "") -> tuple[int, bytes, str]:
    connection, headers = instance.connection()
    try:
        connection.request("GET", path, headers={"Cookie": cookie, "Accept": "text/html"} if cookie else headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers["Content-Type"]
    finally:
        connection.close()


def signed_in(instance: Instance) -> str:
    link: dict[str, Any] = instance.post("/api/login-links")
    connection: HTTPConnection = instance.connection()[0]
    try:
        code = link["url"].partition("code=")[2]
        connection.request("POST", "/login", f"code={code}", {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        answer.read()
        return str(answer.headers["Set-Cookie"]).partition(";")[0]
    finally:
        connection.close()
