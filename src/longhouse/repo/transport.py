"""git over https, with a token that is in no address, argument, configuration or environment.

git asks a script of ours for the password; the script answers only for the one host, from a file that we alone can
read, in a folder that is gone when the call has ended.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from longhouse.errors import Unavailable
from longhouse.masking import Masker
from longhouse.repo import ages, refusals
from longhouse.repo.git import Git, GitTimedOut, Stop, require_branch, require_commit
from longhouse.repo.quarantine import Quarantine, quarantine
from longhouse.repo.remote import Remote
from longhouse.vault import Secret, write_private

INCOMING = "refs/longhouse/incoming"
"""Where what the remote has is kept until it has been looked at."""
TRY_SECONDS = 45.0
"""For all calls of one try together; ending a git that hangs may take ten more."""
STALL_SECONDS = 15
"""Less than STALL_BYTES a second for so long: the remote has gone silent."""
STALL_BYTES = 200
FOLDER = "ask-"
LEFT_SECONDS = 300.0
"""A folder older than this belongs to a server that was killed."""

ASK = """#!/bin/sh
[ "$1" = {prompt} ] || exit 1
exec cat "${{0%/*}}/token"
"""
INHERITED = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Refs:
    """What a remote has, as its first answer says."""

    default_branch: str | None
    branches: Mapping[str, str]
    """Commit by branch."""


@dataclass
class Line:
    """The connection to one remote for the length of one try."""

    git: Git
    remote: Remote
    token: Secret
    network: Mapping[str, str]
    """What `network()` made of the installer's environment."""
    stop: Stop
    """True when the server stops: nobody waits for a remote then."""
    _until: float = field(default_factory=lambda: time.monotonic() + TRY_SECONDS)

    def refs(self) -> Refs:
        """Raises SyncFailed."""
        out = self._call("ls-remote", "--symref", self._address(), "HEAD", "refs/heads/*")
        default, branches = None, {}
        for line in out.splitlines():
            value, _, name = line.partition("\t")
            if name == "HEAD" and value.startswith("ref: refs/heads/"):
                default = value.removeprefix("ref: refs/heads/")
            elif name.startswith("refs/heads/"):
                branches[name.removeprefix("refs/heads/")] = require_commit(value)
        return Refs(default, branches)

    def fetch(self) -> str | None:
        """Bring the remote's branch to INCOMING; its commit, None while the remote has no such branch."""
        commit = self.refs().branches.get(self.remote.branch)
        if commit is None:
            return None
        branch = f"refs/heads/{require_branch(self.remote.branch)}"
        with quarantine(self.git) as arriving:
            words = ("--no-tags", "--no-write-fetch-head", "--no-progress", self._address(), branch)
            self._call("fetch", *words, arriving=arriving)
            if arriving.too_large():
                raise refusals.too_large(arriving.most)
            arriving.admit()
        if self.git.read("cat-file", "-e", f"{commit}^{{commit}}", codes=(0, 1, 128)).code != 0:
            raise refusals.moved()
        self.git.set_ref(INCOMING, commit)
        return commit

    def push(self, commit: str, branch: str, *, dry: bool = False) -> None:
        """Never with force. Raises SyncFailed."""
        refspec = f"{require_commit(commit)}:refs/heads/{require_branch(branch)}"
        tried = ("--dry-run",) if dry else ()
        self._call("push", "--porcelain", "--no-progress", *tried, self._address(), refspec)

    def _address(self) -> str:
        """With the user's name, so that git asks for the password alone."""
        parts = urlsplit(self.remote.url)
        return parts._replace(netloc=f"{self.remote.user}@{parts.netloc.rpartition('@')[2]}").geturl()

    def _call(self, *args: str, arriving: Quarantine | None = None) -> str:
        """What git printed. `arriving`: where objects go that come."""
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise refusals.silent(TRY_SECONDS)
        with _folder(self.git, self.remote, self.token) as folder:
            trace = folder / "trace"
            env = {
                **self.network,
                **(arriving.env if arriving else {}),
                "GIT_ASKPASS": str(folder / "ask"),
                "GIT_TRACE_CURL": str(trace),
                "GIT_TRACE_CURL_NO_DATA": "1",
            }
            settings = (
                f"http.lowSpeedLimit={STALL_BYTES}",
                f"http.lowSpeedTime={STALL_SECONDS}",
                "http.version=HTTP/1.1",  # in a trace of HTTP/2 some versions of git leave the password
                "http.maxRequests=1",
                "push.recurseSubmodules=no",
                "fetch.recurseSubmodules=false",
            )
            try:
                result = self.git.contact(
                    *args,
                    env=env,
                    settings=settings,
                    seconds=seconds,
                    stop=lambda: self.stop() or (arriving is not None and arriving.too_large()),
                )
            except GitTimedOut as error:
                if self.stop():
                    raise Unavailable("the server is stopping") from error
                if arriving is not None and arriving.too_large():
                    raise refusals.too_large(arriving.most) from error
                raise refusals.silent(seconds) from error
            answered = refusals.answers(trace.read_text("utf-8", "replace")) if trace.exists() else ()
        out = result.out.decode("utf-8", "replace")
        if result.code == 0:
            if not refusals.speaks_git(answered):
                raise refusals.no_git()
            return out
        masker = Masker({"token": self.token.reveal()})
        said, out = (masker.text(self.git.scrub(text)) for text in (result.err.decode("utf-8", "replace"), out))
        raise refusals.refusal(said, out, answered, self.remote.host)


def network(installer: Mapping[str, str]) -> dict[str, str]:
    """Proxy and certificates for git, from what the installer is told: one setting is for both."""
    given = {name.upper(): value for name, value in installer.items()}
    found = {name.lower(): given[name] for name in INHERITED if name in given}
    if "SSL_CERT_FILE" in given:
        found["GIT_SSL_CAINFO"] = given["SSL_CERT_FILE"]
    return found


def sweep(git: Git, *, seconds: float = LEFT_SECONDS) -> int:
    """Remove what a killed server left: its folders hold a token. How many."""
    found: Sequence[Path] = tuple(git.home.glob(f"{FOLDER}*")) if git.home.is_dir() else ()
    now = ages.now(git.home) if found else 0
    old = [path for path in found if ages.age(path, now) >= seconds]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return len(old)


@contextmanager
def _folder(git: Git, remote: Remote, token: Secret) -> Iterator[Path]:
    """Script and token for one call. It is gone afterwards, whatever happened."""
    git.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(prefix=FOLDER, dir=git.home))
    try:
        prompt = f"Password for 'https://{remote.user}@{remote.host}': "
        write_private(folder / "token", token.reveal())
        write_private(folder / "ask", ASK.format(prompt=shlex.quote(prompt)))
        (folder / "ask").chmod(0o700)
        yield folder
    finally:
        shutil.rmtree(folder)
