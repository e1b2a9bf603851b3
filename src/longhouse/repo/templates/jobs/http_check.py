"""Is an address up, how fast does it answer, and does the answer say what it should?"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from zerg.outcomes import Degraded

if TYPE_CHECKING:
    from zerg.context import Context

MOST_READ = 1024 * 1024
"""Bytes of the answer in which `contains` is looked for."""


def run(ctx: Context, url: str, expect_status: int = 200, contains: str = "", slow_after_seconds: float = 2.0) -> Any:
    """Fails when the address does not answer as expected; finishes with a warning when it is slow."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is no http or https address")
    wanted = urllib.request.Request(url, headers={"User-Agent": "longhouse-http-check"})
    start = time.monotonic()
    status, body = fetch(wanted, timeout=max(10.0, 3 * slow_after_seconds))
    seconds = round(time.monotonic() - start, 3)
    print(f"{url} answered {status} in {seconds} s with {len(body)} bytes")

    known = ctx.state.get("seconds", [])
    ctx.state["seconds"] = [*known, seconds][-100:]
    usual = sorted(ctx.state["seconds"])[len(ctx.state["seconds"]) // 2]
    result = {"status": status, "seconds": seconds, "usual_seconds": usual, "bytes": len(body)}
    if status != expect_status:
        raise RuntimeError(f"{url} answered {status}, not {expect_status}")
    if contains and contains not in body.decode("utf-8", "replace"):
        raise RuntimeError(f"the answer of {url} does not contain {contains!r}")
    if seconds > slow_after_seconds:
        return Degraded(f"it took {seconds} s; more than {slow_after_seconds} s is slow", result)
    return result


def fetch(wanted: urllib.request.Request, timeout: float) -> tuple[int, bytes]:
    """The status and the beginning of the answer, whatever the status is; no answer at all is an OSError."""
    try:
        with urllib.request.urlopen(wanted, timeout=timeout) as answer:
            return answer.status, answer.read(MOST_READ)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(MOST_READ)
