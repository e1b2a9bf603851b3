"""What a remote said when it did not do as it was asked: every way of failing has its own sentence. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from longhouse.errors import LonghouseError


class SyncFailed(LonghouseError):
    """The remote did not do as it was asked, in a way that has no code of its own; git's words are in the sentence."""

    code = "sync.failed"
    kind = "remote"


class Unauthorized(SyncFailed):
    """The remote does not know the token (401)."""

    code = "sync.unauthorized"


class Refused(SyncFailed):
    """The remote knows the token and does not let it do this (403)."""

    code = "sync.forbidden"


class NoSuchRemote(SyncFailed):
    """There is no repository at the remote's address, or the token cannot see it (404)."""

    code = "sync.remote_not_found"


class ProtectedBranch(SyncFailed):
    """The branch is protected on the remote: nobody pushes to it directly."""

    code = "sync.protected_branch"


class NotFastForward(SyncFailed):
    """The remote got new commits while ours were on their way."""

    code = "sync.not_fast_forward"


class RateLimited(SyncFailed):
    """The remote asks for patience (429); `retry_after_seconds` is how much."""

    code = "sync.rate_limited"


class RemoteBroken(SyncFailed):
    """The remote has a fault of its own (5xx)."""

    code = "sync.remote_failed"


class RemoteSilent(SyncFailed):
    """The remote did not answer in time."""

    code = "sync.timed_out"


class Untrusted(SyncFailed):
    """The remote's certificate cannot be trusted."""

    code = "sync.tls"


class CutOff(SyncFailed):
    """The connection ended in the middle."""

    code = "sync.cut_off"


class Unsound(SyncFailed):
    """What the remote sent is damaged, or made so that git does not take it."""

    code = "sync.unsound"


class Redirected(SyncFailed):
    """The remote sends us to another address, and a token is not carried there."""

    code = "sync.redirected"


class PushProtected(SyncFailed):
    """The remote found a secret in what was pushed and refused all of it."""

    code = "sync.push_protection"


class Unreachable(SyncFailed):
    """There is no connection to the remote's host."""

    code = "sync.unreachable"


class TooLarge(SyncFailed):
    """The remote sends more than is taken at once."""

    code = "sync.too_large"


class PushRefused(SyncFailed):
    """A rule or a hook of the remote refused the push."""

    code = "sync.push_refused"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer of the remote."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""


CONNECT_ANEW = "Make a new one (for GitHub: fine-grained, this repository, Contents: read and write) and connect again."
ADDRESS = re.compile(r"'?https?://[^\s']+'?")
"""What is said here is kept in the clear, and the remote's name is not."""
UNSOUND = (
    *("fsck error", "bad object", "unknown object type", "inflate returned", "pack is corrupted", "pack signature"),
    *("pack has", "corrupt", "all necessary objects", "missing necessary objects", "not a valid object"),
)
OWN_WORDS = re.compile(r"^remote: ?(.*)$", re.MULTILINE)


def answers(trace: str) -> tuple[Answer, ...]:
    """From git's trace of its HTTP traffic, in order."""
    found: list[tuple[int, dict[str, str]]] = []
    for line in trace.splitlines():
        _, arrow, said = line.partition("<= Recv header: ")
        if not arrow:
            continue
        status = re.match(r"HTTP/[0-9.]+ (\d{3})", said)
        name, colon, value = said.partition(":")
        if status:
            found.append((int(status[1]), {}))
        elif colon and found:
            found[-1][1][name.strip().lower()] = value.strip()
    return tuple(Answer(status, headers) for status, headers in found)


def speaks_git(answered: Sequence[Answer]) -> bool:
    """Whether one of them is git's own. git takes a page that somebody is to sign in on for an empty repository."""
    return any(answer.headers.get("content-type", "").startswith("application/x-git-") for answer in answered)


def refusal(said: str, out: str, answered: Sequence[Answer], host: str) -> SyncFailed:
    """What went wrong: from git's words, without secrets in them, what it printed of a push, and the HTTP answers."""
    last = answered[-1] if answered else Answer(0, {})
    said = ADDRESS.sub("the remote", said)
    if last.status == 200 and not speaks_git(answered):
        return no_git()
    return _of_status(last, host, said) or _of_push(said, out) or _of_connection(said) or _else(said)


def _of_status(last: Answer, host: str, said: str) -> SyncFailed | None:
    match last.status:
        case 401:
            return Unauthorized("the remote does not accept the token (401)", hint=CONNECT_ANEW)
        case 403:
            return Refused(f"the remote does not let this token do that (403){_words(said)}", hint=CONNECT_ANEW)
        case 404 | 410:
            return NoSuchRemote(
                f"there is no repository at the remote's address, or this token cannot see it ({last.status})",
                hint="Look at the address; for a private repository the token must have been given access to it.",
            )
        case 429:
            return _rate_limited(last)
        case status if 300 <= status < 400:
            return Redirected(
                f"the remote sends us on to {_target(last, host)} ({status}); the token is not carried there",
                hint="If the repository has moved, connect it with its new address.",
            )
        case status if status >= 500:
            return RemoteBroken(
                f"the remote has a fault of its own ({status})", hint="Nothing to do here: it is tried again by itself."
            )
        case status if status >= 400:
            return SyncFailed(f"the remote answered with {status}{_words(said)}", hint="Look at the address.")
    return None


def _rate_limited(last: Answer) -> RateLimited:
    told = last.headers.get("retry-after", "")
    seconds = min(int(told), 24 * 3600) if told.isdigit() else None
    when = f"; it asks to be left alone for {seconds} s" if seconds is not None else ""
    facts = {} if seconds is None else {"retry_after_seconds": seconds}
    return RateLimited(
        f"the remote has had too many requests (429){when}", hint="It is tried again when that is over.", **facts
    )


def _target(last: Answer, host: str) -> str:
    """Only a foreign host is named."""
    there = urlsplit(last.headers.get("location", "")).netloc.rpartition("@")[2].lower()
    if not there or there == host:
        return "another address of its own"
    return f"another host, {''.join(char for char in there if char.isprintable())[:100]}"


def _of_push(said: str, out: str) -> SyncFailed | None:
    whole = f"{said}\n{out}".lower()
    if "push protection" in whole or "gh013" in whole or "push cannot contain secrets" in whole:
        return PushProtected(
            f"the remote found a secret in what was pushed, and took nothing{_words(said)}",
            hint="Revoke it; then take it out of the commits, or allow it on the remote's own page.",
        )
    if "protected branch" in whole or "gh006" in whole or "not allowed to push code to protected" in whole:
        return ProtectedBranch(
            f"the branch is protected on the remote{_words(said)}",
            hint="Allow this token to push to it, or connect another branch.",
        )
    moved = ("non-fast-forward", "fetch first", "failed to update ref", "cannot lock ref", "stale info")
    if any(f"({word}" in whole or f"] {word}" in whole for word in moved) or "but expected" in whole:
        return NotFastForward(
            "the remote got new commits while ours were on their way", hint="The next sync fetches them first."
        )
    if "[remote rejected]" in whole or "[rejected]" in whole:
        return PushRefused(f"a rule of the remote refused the push{_words(said)}", hint="Look at the remote's rules.")
    return None


def _of_connection(said: str) -> SyncFailed | None:
    low = said.lower()
    if any(
        word in low for word in ("certificate", "ssl peer", "gnutls_handshake", "tls connect error", "tls handshake")
    ):
        return Untrusted(
            f"the remote's certificate cannot be trusted{_reason(said)}",
            hint="For an authority of your own, name its certificate as `ca_file` in config.toml.",
        )
    if any(word in low for word in ("operation too slow", "timed out", "timeout was reached")):
        return RemoteSilent("the remote does not answer", hint="It is tried again by itself.")
    if "early eof" not in low and any(word in low for word in UNSOUND):
        return Unsound(
            f"what the remote sent is not sound, and none of it was taken{_reason(said)}",
            hint="Let `git fsck` look at the repository there.",
        )
    broken = ("early eof", "hung up unexpectedly", "disconnect", "rpc failed", "recv failure", "index-pack failed")
    if any(
        word in low
        for word in (
            *broken,
            "empty reply",
            "partial file",
            "gnutls recv error",
            "unexpected eof",
            "reset by peer",
            "bytes remaining to read",
        )
    ):
        return CutOff(
            "the connection to the remote ended in the middle; nothing of what had come was taken",
            hint="It is tried again by itself.",
        )
    if any(word in low for word in ("could not resolve", "failed to connect", "couldn't connect", "unreachable")):
        return Unreachable(
            "there is no connection to the remote's host", hint="Look at the address and at this machine's network."
        )
    return None


def silent(seconds: float) -> RemoteSilent:
    return RemoteSilent(f"the remote did not finish within {seconds:.0f} s", hint="It is tried again by itself.")


def too_large(most: int) -> TooLarge:
    return TooLarge(
        f"the remote sends more than {most / 2**20:g} MiB, which is the most for one sync; nothing of it was kept",
        hint="A jobs repo holds code: take large files out of the remote's history, or connect another repository.",
    )


def no_git() -> NoSuchRemote:
    return NoSuchRemote(
        "what answers at the remote's address is no git repository",
        hint="Look at the address. A page to sign in, of the host or of a proxy in between, looks like this.",
    )


def moved() -> SyncFailed:
    return SyncFailed("the remote's branch was put elsewhere while it was read", hint="It is tried again by itself.")


def _else(said: str) -> SyncFailed:
    return SyncFailed(f"git could not talk to the remote{_reason(said)}", hint="Look at the address and the branch.")


def _words(said: str) -> str:
    """What the remote itself wanted to tell, in a line."""
    lines = [" ".join(line.split()) for line in OWN_WORDS.findall(said)]
    kept = [line for line in lines if re.search(r"\w", line)]
    return f": {' '.join(kept)[:300]}" if kept else ""


def _reason(said: str) -> str:
    lines = [line for line in said.splitlines() if line.startswith(("fatal:", "error:"))]
    return f": {lines[0].partition(': ')[2][:300]}" if lines else ""
