"""Who did what: the audit trail as sentences. The ends of runs are left out: those are the Runs page's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from longhouse import moments
from longhouse.accounts import SCOPES
from longhouse.clock import iso
from longhouse.errors import Invalid
from longhouse.house import House
from longhouse.runs.state import TERMINAL
from longhouse.store import audit as rows
from longhouse.store.database import Row

FAR = 2**53 - 1
MOST_ACTORS = 100

GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "runs": ("Runs", ("run.create", "run.cancel", "run.delete", "backfill.create", "backfill.cancel")),
    "jobs": ("Jobs", ("job.enable", "job.disable", "job.forget", "pause", "resume", "clock.accept", "clock.leave")),
    "repo": (
        "Jobs repo",
        (
            *("repo.init", "repo.commit", "repo.connect", "repo.disconnect", "repo.webhook", "repo.pull", "repo.sync"),
            *("repo.draft_delete", "manifest.load", "github.sign_in", "github.sign_out", "github.renew"),
        ),
    ),
    "secrets": ("Secrets", ("secret.set", "secret.remove", "secret.rotate")),
    "access": (
        "Sign-ins and tokens",
        (
            *("session.open", "session.close", "session.close_all", "login_link.create"),
            *("password.set", "token.create", "token.revoke"),
        ),
    ),
    "instance": ("The instance", ("settings.change", "server.stop")),
}
"""What the list can be narrowed to; every verb of the trail but `run.finish` is in one of them."""
VERBS = tuple(verb for _, verbs in GROUPS.values() for verb in verbs)


DETAILED = frozenset(
    {
        *("settings.change", "token.create", "backfill.create", "pause", "clock.accept", "clock.leave", "job.forget"),
        *("repo.commit", "repo.connect", "repo.sync", "session.close", "run.delete"),
    }
)


@dataclass(frozen=True)
class Said:
    """A sentence around the thing that can be looked at."""

    begin: str
    thing: str = ""
    end: str = ""
    target: str = ""
    """What the thing is, such as `run:12`; empty if there is nothing to look at."""

    @property
    def text(self) -> str:
        return f"{self.begin}{self.thing}{self.end}"


@dataclass(frozen=True)
class Act:
    seq: int
    at: int
    actor: str
    surface: str
    verb: str
    subject: str
    before: Any
    after: Any

    @property
    def detailed(self) -> bool:
        """There is more to it than the sentence says."""
        return self.verb in DETAILED or bool((self.after or {}).get("params"))

    @property
    def said(self) -> Said:
        kind, _, name = self.subject.partition(":")
        made = SAID.get(self.verb)
        return made(kind, name, self.before or {}, self.after or {}) if made else Said(f"{self.verb}: {self.subject}")


def list_acts(
    house: House,
    *,
    actor: str = "",
    act: str = "",
    job: str = "",
    since: str = "",
    until: str = "",
    before: int | None = None,
    limit: int = 50,
) -> tuple[list[Act], int | None]:
    """At most `limit` acts, the newest first, and where the next page starts (None: that was all). Raises Invalid.

    `act` is a verb such as `run.create`, or a group of them such as `runs`; times are those of `moments.moment_of`.
    """
    verbs = GROUPS[act][1] if act in GROUPS else (act,) if act else ()
    if act and verbs[0] not in VERBS:
        message = f"there is no act {act!r}"
        hint = f"Name one such as run.create, or a group: {', '.join(GROUPS)}."
        raise Invalid(message, hint=hint, errors=[{"in": "query", "pointer": "/act", "message": message}])
    with house.db.read() as db:
        found = rows.acts(
            db,
            before=FAR if before is None else before,
            limit=limit + 1,
            actor=actor or None,
            verbs=verbs,
            job=job or None,
            since=moments.moment_of(house, "since", since) if since else None,
            until=moments.moment_of(house, "until", until) if until else None,
        )
    acts = [_act(row) for row in found[:limit]]
    return acts, acts[-1].seq if len(found) > limit else None


def actors(house: House) -> list[str]:
    """Everybody who has done something, at most MOST_ACTORS of them."""
    with house.db.read() as db:
        return rows.actors(db, MOST_ACTORS)


def called(house: House, text: str, limit: int) -> list[str]:
    """At most `limit` of all who have done something and whose names hold the text, as `store.audit.called`."""
    with house.db.read() as db:
        return rows.called(db, text, limit)


def _act(row: Row) -> Act:
    values: dict[str, Any] = dict(row)
    return Act(**{**values, "before": json.loads(row["before"]), "after": json.loads(row["after"])})


# --- sentences ------------------------------------------------------------------------------------------------------

Words = Callable[[str, str, dict[str, Any], dict[str, Any]], Said]


def _thing(begin: str, end: str = "") -> Words:
    """The sentence is about its subject, which can be looked at."""
    return lambda kind, name, before, after: Said(begin, name[:12] if kind == "commit" else name, end, f"{kind}:{name}")


def _plain(text: str) -> Words:
    return lambda kind, name, before, after: Said(text)


def _run(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Said:
    run = after.get("run", 0)
    begin, end = STARTS.get(after.get("trigger", ""), ("started ", " of {}"))
    return Said(begin, f"run {run}", end.format(name), f"run:{run}")


STARTS = {
    "later": ("planned ", " of {}"),
    "rerun": ("started ", " of {}, again"),
    "trial": ("tried the files as they stand: ", " of {}"),
}


def _deleted(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Said:
    if kind == "job":
        return Said(f"deleted run {before.get('run', 0)} of ", name, "", f"job:{name}")
    count = after.get("count", 0)
    matching = after.get("matching")
    shown = "" if matching is None else f": {_conditions(matching)}"
    return Said(f"deleted {count:,} run{'' if count == 1 else 's'}{shown}")


def _conditions(matching: dict[str, Any]) -> str:
    """What all of them had in common, but for the time at which somebody asked."""
    said = [
        f"{label} {', '.join(value) if isinstance(value, list) else iso(value) if name in TIMES else value}"
        for name, label in CONDITIONS.items()
        if (value := matching.get(name)) and not (name == "states" and set(value) == TERMINAL)
    ]
    return ", ".join(said) or "all that had ended"


TIMES = ("since", "until")
CONDITIONS = {
    "job_id": "job",
    "states": "state",
    "reason": "reason",
    "trigger": "started",
    "commit": "commit",
    "environment": "environment",
    "since": "made since",
    "until": "made before",
    "text": "message with",
    "fingerprint": "error",
    "backfill_id": "backfill",
}
"""Of `store.run_search.Wanted`."""


def _pause(done: str) -> Words:
    def said(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Said:
        return Said(f"{done} ", name, "", f"job:{name}") if kind == "job" else Said(f"{done} everything")

    return said


def _backfill(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Said:
    count = after.get("count", 0)
    return Said(f"started a backfill of {count} due time{'' if count == 1 else 's'} of ", name, "", f"job:{name}")


def _commit(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Said:
    subject = after.get("subject") or name[:12]
    return Said("changed the jobs repo: ", str(subject), "", f"commit:{name}")


def _manifest(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Said:
    end = "" if after.get("ok") else f", which cannot be read: {after.get('error') or 'it is broken'}"
    return Said("loaded the manifest of " if after.get("ok") else "tried ", name[:12], end, f"commit:{name}")


def _sync(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Said:
    moved = [f"{after[what]} {word}" for what, word in (("pushed", "sent"), ("pulled", "fetched")) if after.get(what)]
    return Said(f"synced the jobs repo ({', '.join(moved)}), now at ", name[:12], "", f"commit:{name}")


def _opened(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Said:
    how = "a login link" if after.get("how") == "code" else "the password"
    return Said(f"signed in with {how} from {after.get('peer', 'somewhere')}")


def _closed(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Said:
    return Said(f"ended a session from {after['peer']}" if after.get("peer") else "signed out")


def _all_closed(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Said:
    ended = after.get("sessions_ended", 0)
    return Said(f"ended {ended} session{'' if ended == 1 else 's'}")


def _token(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Said:
    given = after.get("scopes", ())
    scopes = "everything" if len(given) == len(SCOPES) else ", ".join(given)
    return Said("made the token ", str(after.get("name") or name), f" for {scopes}", "token:")


def _settings(kind: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> Said:
    changes = ", ".join(f"{key} to {value}" for key, value in after.items())
    return Said("changed ", changes or "the settings", "", "settings:")


SAID: dict[str, Words] = {
    "run.create": _run,
    "run.cancel": lambda kind, name, before, after: Said("cancelled ", f"run {name}", "", f"run:{name}"),
    "run.delete": _deleted,
    "backfill.create": _backfill,
    "backfill.cancel": _thing("cancelled a backfill of "),
    "job.enable": _thing("enabled "),
    "job.disable": _thing("disabled "),
    "job.forget": _thing("emptied the memory of "),
    "pause": _pause("paused"),
    "resume": _pause("resumed"),
    "clock.accept": _plain("let what the clock's jump held be caught up"),
    "clock.leave": _plain("left out what the clock's jump held"),
    "repo.init": lambda kind, name, before, after: Said("made ", "the jobs repo", "", "repo:"),
    "repo.commit": _commit,
    "repo.connect": lambda kind, name, before, after: Said("connected ", "the jobs repo", " to its remote", "repo:"),
    "repo.disconnect": lambda kind, name, before, after: Said(
        "disconnected ", "the jobs repo", " from its remote", "repo:"
    ),
    "repo.webhook": _plain("made a new secret for the remote's webhook"),
    "repo.pull": _thing("took over the remote's "),
    "repo.sync": _sync,
    "repo.draft_delete": _thing("deleted the draft "),
    "manifest.load": _manifest,
    "github.sign_in": _plain("signed in to GitHub"),
    "github.sign_out": _plain("signed out of GitHub"),
    "github.renew": _plain("renewed the token for GitHub"),
    "secret.set": _thing("stored a value for "),
    "secret.remove": _thing("forgot the value of "),
    "secret.rotate": _plain("sealed all stored values with a new key"),
    "session.open": _opened,
    "session.close": _closed,
    "session.close_all": _all_closed,
    "login_link.create": _plain("made a login link"),
    "password.set": lambda kind, name, before, after: Said(
        "changed the password" if before.get("set") else "set a password"
    ),
    "token.create": _token,
    "token.revoke": lambda kind, name, before, after: Said("revoked ", f"token {name}", "", "token:"),
    "settings.change": _settings,
    "server.stop": lambda kind, name, before, after: Said(
        "asked the server to stop" + (" when its runs have ended" if after.get("drain") else "")
    ),
}
