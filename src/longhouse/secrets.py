"""Secrets of jobs: stored sealed, given to the runs that declare them, and never shown again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from longhouse import audit
from longhouse.errors import Conflict, Invalid, NotFound
from longhouse.house import By, House
from longhouse.masking import SHORTEST, Masker
from longhouse.sealing import Place, Unreadable, key_of, rewrap, seal, unseal
from longhouse.store import events, sealed, settings
from longhouse.store import jobs as job_rows
from longhouse.store.database import Connection
from longhouse.store.sealed import Sealed
from longhouse.vault import Keys, Secret
from zerg._wire import JobDescription

REALM = "secret"
FIELD = "value"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
LONGEST = 64 * 1024
BATCH = 50
"""Values sealed anew in one transaction of a rotation."""
TAIL_FROM = 21
"""Length from which on the last four characters are shown."""
WORD = re.compile(r"[A-Za-z]?[a-z]{0,10}|[A-Z]{0,11}|\s*")


class Missing(Conflict):
    """A job needs secrets that have no value; `secrets` lists them."""

    code = "secrets.missing"


@dataclass(frozen=True)
class Shown:
    """A secret as people see it: all but the value."""

    name: str
    stored: bool
    tail: str
    """The last four characters of a long value, to tell it by; else empty."""
    set_at: int | None
    set_by: str | None
    jobs: tuple[str, ...]
    """Ids of the jobs that declare it."""
    required_by: tuple[str, ...]


# --- in and out -----------------------------------------------------------------------------------------------------


def put(house: House, name: str, value: Secret, by: By) -> None:
    """Store a value, or another one in its place. Raises Invalid, with the reason, for what cannot be kept secret."""
    text = value.reveal()
    problem = _problem(name, text)
    if problem:
        raise Invalid(problem[0], hint=problem[1])
    with house.db.write() as db:
        old = sealed.get(db, REALM, name)
        store(house, db, REALM, name, text, by, tail=text[-4:] if len(text) >= TAIL_FROM else "")
        earlier = None if old is None else _readable(house.keys, old)
        before = None if earlier is None else {"fingerprint": house.keys.fingerprint(earlier.encode())}
        after = {"fingerprint": house.keys.fingerprint(text.encode())}
        audit.record(house, db, by, "secret.set", f"secret:{name}", before=before, after=after)
        events.append(db, "secret.changed", f"secret:{name}", {"secret": name, "stored": True}, house.clock.now())


def remove(house: House, name: str, by: By) -> None:
    """Raises NotFound."""
    with house.db.write() as db:
        if not forget(db, REALM, name):
            raise NotFound(f"no secret {name!r} is stored", hint="List them with: longhouse-jobs secrets list")
        audit.record(house, db, by, "secret.remove", f"secret:{name}")
        events.append(db, "secret.changed", f"secret:{name}", {"secret": name, "stored": False}, house.clock.now())


def list_secrets(house: House) -> list[Shown]:
    """Every stored secret and every one that a job declares, by name."""
    with house.db.read() as db:
        stored = {row.name: row for row in sealed.of_realm(db, REALM)}
        declared: dict[str, list[tuple[str, bool]]] = {}
        for job in job_rows.all_jobs(db):
            for each in job.spec.secrets:
                declared.setdefault(each["key"], []).append((job.id, each.get("required", True)))
    found = []
    for name in sorted({*stored, *declared}):
        row, users = stored.get(name), declared.get(name, [])
        found.append(
            Shown(
                name=name,
                stored=row is not None,
                tail=row.tail if row else "",
                set_at=row.set_at if row else None,
                set_by=row.set_by if row else None,
                jobs=tuple(id for id, _ in users),
                required_by=tuple(id for id, required in users if required),
            )
        )
    return found


def missing(db: Connection, spec: JobDescription) -> list[str]:
    """Required secrets of the job that have no stored value."""
    required = [each["key"] for each in spec.secrets if each.get("required", True)]
    return [name for name in required if sealed.get(db, REALM, name) is None]


def stored(house: House, spec: JobDescription) -> set[str]:
    """Those of the job's secrets, needed or not, that have a value."""
    with house.db.read() as db:
        return {each["key"] for each in spec.secrets if sealed.get(db, REALM, each["key"]) is not None}


def require(db: Connection, spec: JobDescription) -> None:
    """Raises Missing with the list."""
    names = missing(db, spec)
    if names:
        noun = "secret" if len(names) == 1 else "secrets"
        raise Missing(
            f"the job {spec.id!r} needs the {noun} {', '.join(names)}, and no value is stored",
            hint=f"Store it first: longhouse-jobs secrets set {names[0]}",
            secrets=names,
        )


def of_job(house: House, spec: JobDescription) -> dict[str, str]:
    """The values that a run of the job gets: those it declares and no other. Raises Unreadable."""
    found = {}
    with house.db.read() as db:
        for each in spec.secrets:
            row = sealed.get(db, REALM, each["key"])
            if row is not None:
                found[row.name] = _opened(house.keys, row)
    return found


def masker(house: House) -> Masker:
    """What hides every stored value that can be read, also those of other realms. Made anew when one has changed."""
    with house.db.read() as db:
        version = int(settings.get(db, "sealed_version", 0))
        with house.masker_lock:
            kept = house.maskers.get(version)
            if kept is not None:
                return kept
            made = masker_of(db, house.keys)
            house.maskers.clear()
            house.maskers[version] = made
            return made


def masker_of(db: Connection, keys: Keys) -> Masker:
    """The same, made for this call."""
    read = ((row, _readable(keys, row)) for row in _rows(db))
    return Masker({_called(row): value for row, value in read if value is not None})


def _called(row: Sealed) -> str:
    """No two rows are called the same, whatever their realms: one would not be hidden."""
    return row.name if row.realm == REALM else f"{row.name} of {row.realm}"


# --- sealed values of every kind --------------------------------------------------------------------------------------


def store(house: House, db: Connection, realm: str, name: str, value: str, by: By, *, tail: str = "") -> None:
    """Seal `value` and put it in its row; in the caller's transaction, who also audits it."""
    version = _next_version(db)
    values = {
        "realm": realm,
        "name": name,
        "version": version,
        "sealed": seal(house.keys, Place(realm, name, FIELD, version), value.encode()),
        "tail": tail,
        "set_at": house.clock.now(),
        "set_by": by.name,
    }
    sealed.put(db, values)


def forget(db: Connection, realm: str, name: str) -> bool:
    """False if there was none; in the caller's transaction."""
    _next_version(db)
    return sealed.remove(db, realm, name)


def opened(house: House, db: Connection, realm: str, name: str) -> str | None:
    """None if there is none. Raises Unreadable."""
    row = sealed.get(db, realm, name)
    return None if row is None else _opened(house.keys, row)


def store_facts(
    house: House, db: Connection, realm: str, name: str, facts: Mapping[str, Any], by: By, *hidden: Secret
) -> str:
    """Seal plain facts and the values that go with them, of one line each, as one row; else as `store`. The fingerprint
    of it all, for the audit trail."""
    text = "\n".join((json.dumps(facts), *(each.reveal() for each in hidden)))
    store(house, db, realm, name, text, by)
    return house.keys.fingerprint(text.encode())


def opened_facts(house: House, db: Connection, realm: str, name: str) -> tuple[dict[str, Any], list[Secret]] | None:
    """What `store_facts` sealed; None if there is none. Raises Unreadable."""
    text = opened(house, db, realm, name)
    if text is None:
        return None
    facts, *hidden = text.split("\n")
    return json.loads(facts), [Secret(each) for each in hidden]


def check(house: House) -> str | None:
    """At the start: the sentence that says that stored values cannot be read, with the keyring that is here."""
    with house.db.read() as db:
        rows = list(_rows(db))
    unknown = sum(1 for row in rows if house.keys.sealing(key_of(row.sealed)) is None)
    if unknown:
        return f"{unknown} stored secrets are sealed with a key that the keyring lacks."
    if rows and _readable(house.keys, rows[0]) is None:
        return "The stored secrets cannot be read with this keyring."
    return None


def _next_version(db: Connection) -> int:
    """Counts every change, so no sealed value of the past fits into a row of today."""
    version = int(settings.get(db, "sealed_version", 0)) + 1
    settings.put(db, "sealed_version", version)
    return version


def _rows(db: Connection) -> Iterator[Sealed]:
    after = ("", "")
    while page := sealed.page(db, after, BATCH):
        yield from page
        after = (page[-1].realm, page[-1].name)


def _opened(keys: Keys, row: Sealed) -> str:
    return unseal(keys, Place(row.realm, row.name, FIELD, row.version), row.sealed).decode()


def _readable(keys: Keys, row: Sealed) -> str | None:
    """None for a value that does not open with this keyring."""
    try:
        return _opened(keys, row)
    except Unreadable:
        return None


# --- rotation -------------------------------------------------------------------------------------------------------


def rotate(house: House, by: By, *, data: bool = False) -> int:
    """Seal everything with a new key and forget the old ones; how many values. `data`: with new data keys, too.

    Interrupted, it goes on where it was: the next call finds more than one key in the ring, and finishes that first.
    Every value can be read at every moment.
    """
    if len(house.keys.ids) == 1 or data:
        house.keys.add()
    count, after = 0, ("", "")
    while True:
        with house.db.write() as db:
            rows = sealed.page(db, after, BATCH)
            for row in rows:
                if data or key_of(row.sealed) != house.keys.current:
                    count += _resealed(house, db, row, data=data)
        if not rows:
            break
        after = (rows[-1].realm, rows[-1].name)
    with house.db.write() as db:
        audit.record(house, db, by, "secret.rotate", "keyring", after={"values": count, "key": house.keys.current})
    for id in house.keys.ids[:-1]:
        house.keys.retire(id)
    return count


def _resealed(house: House, db: Connection, row: Sealed, *, data: bool) -> int:
    place = Place(row.realm, row.name, FIELD, row.version)
    if not data:
        return sealed.reseal(db, row, row.version, rewrap(house.keys, place, row.sealed))
    version = _next_version(db)
    value = unseal(house.keys, place, row.sealed)
    return sealed.reseal(db, row, version, seal(house.keys, Place(row.realm, row.name, FIELD, version), value))


# --- what can be a secret -------------------------------------------------------------------------------------------


def _problem(name: str, value: str) -> tuple[str, str] | None:
    """Why this cannot be stored, and what to do; None if it can."""
    if not NAME.match(name):
        rule = "letters, digits and underscores, not beginning with a digit, 100 at most"
        return f"{name!r} is no name for a secret: it is also an environment variable, so {rule}", ""
    if "\0" in value:
        return f"the value of {name} contains a NUL character, which no environment variable can hold", ""
    if len(value.encode()) > LONGEST:
        return f"the value of {name} is longer than {LONGEST // 1024} KiB", "Keep large things in a file the job reads."
    if len(value.strip()) < SHORTEST:
        few = f"the value of {name} has fewer than {SHORTEST} characters"
        return f"{few}: hiding it in output would hide parts of other words", "Use a longer value."
    if WORD.fullmatch(value.strip()):
        return (
            f"the value of {name} looks like an ordinary word: every text that contains it would be hidden",
            "Use a value with digits, or a longer one.",
        )
    return None
