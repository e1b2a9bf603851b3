"""Login codes, browser sessions and API tokens. Only digests of their values are stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from longhouse.store.database import Connection, Row, insert, many, one, run

COLUMNS = "id, name, scopes, created_at, expires_at, used_at, revoked_at"


@dataclass(frozen=True)
class Token:
    """A token without its value, which nobody can show again. Times are milliseconds."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int | None
    used_at: int | None
    """Written at most every ten minutes."""
    revoked_at: int | None


def _token(row: Row) -> Token:
    fields: dict[str, Any] = dict(row)
    fields["scopes"] = tuple(json.loads(row["scopes"]))
    return Token(**fields)


# --- login codes ----------------------------------------------------------------------------------------------------


def add_code(db: Connection, hash: str, now: int, expires_at: int) -> None:
    run(
        db,
        "INSERT INTO login_codes (hash, created_at, expires_at) VALUES (:hash, :now, :expires_at)",
        {"hash": hash, "now": now, "expires_at": expires_at},
    )


def code(db: Connection, hash: str) -> Row | None:
    return one(db, "SELECT created_at, expires_at, used_at FROM login_codes WHERE hash = :hash", {"hash": hash})


def use_code(db: Connection, hash: str, now: int) -> bool:
    """False if it is unknown, used or expired."""
    return (
        run(
            db,
            "UPDATE login_codes SET used_at = :now WHERE hash = :hash AND used_at IS NULL AND expires_at > :now",
            {"hash": hash, "now": now},
        )
        == 1
    )


def drop_codes(db: Connection, before: int) -> None:
    """Forget those that expired before `before`."""
    run(db, "DELETE FROM login_codes WHERE expires_at < :before", {"before": before})


# --- sessions -------------------------------------------------------------------------------------------------------


def add_session(db: Connection, hash: str, csrf: str, now: int, peer: str, agent: str) -> None:
    run(
        db,
        "INSERT INTO sessions (hash, csrf, created_at, seen_at, peer, agent)"
        " VALUES (:hash, :csrf, :now, :now, :peer, :agent)",
        {"hash": hash, "csrf": csrf, "now": now, "peer": peer, "agent": agent},
    )


def session(db: Connection, hash: str) -> Row | None:
    return one(db, "SELECT csrf, created_at, seen_at, peer, agent FROM sessions WHERE hash = :hash", {"hash": hash})


def session_seen(db: Connection, hash: str, now: int) -> None:
    run(db, "UPDATE sessions SET seen_at = :now WHERE hash = :hash", {"hash": hash, "now": now})


def drop_session(db: Connection, hash: str) -> bool:
    return run(db, "DELETE FROM sessions WHERE hash = :hash", {"hash": hash}) == 1


def drop_sessions(db: Connection, but: str = "") -> int:
    """End them all, but one; how many there were."""
    return run(db, "DELETE FROM sessions WHERE hash <> :but", {"but": but})


SESSION = "hash, created_at, seen_at, peer, agent"


def sessions(db: Connection, created_after: int, seen_after: int, limit: int) -> list[Row]:
    """The one used last first."""
    return many(
        db,
        f"SELECT {SESSION} FROM sessions WHERE created_at > :created AND seen_at > :seen"  # noqa: S608
        " ORDER BY seen_at DESC, created_at DESC LIMIT :limit",
        {"created": created_after, "seen": seen_after, "limit": limit},
    )


def session_like(db: Connection, start: str) -> Row | None:
    """The session whose digest begins like this."""
    return one(
        db,
        f"SELECT {SESSION} FROM sessions WHERE hash >= :start AND hash < :start || 'g' LIMIT 1",  # noqa: S608
        {"start": start},
    )


def drop_old_sessions(db: Connection, created_before: int, seen_before: int) -> None:
    run(
        db,
        "DELETE FROM sessions WHERE created_at < :created OR seen_at < :seen",
        {"created": created_before, "seen": seen_before},
    )


# --- tokens ---------------------------------------------------------------------------------------------------------


def add_token(db: Connection, name: str, hash: str, scopes: tuple[str, ...], now: int, expires_at: int | None) -> Token:
    token_id = insert(
        db,
        "INSERT INTO tokens (name, hash, scopes, created_at, expires_at)"
        " VALUES (:name, :hash, :scopes, :now, :expires_at)",
        {"name": name, "hash": hash, "scopes": json.dumps(scopes), "now": now, "expires_at": expires_at},
    )
    return Token(token_id, name, scopes, now, expires_at, None, None)


def token(db: Connection, token_id: int) -> Token | None:
    row = one(db, f"SELECT {COLUMNS} FROM tokens WHERE id = :id", {"id": token_id})  # noqa: S608
    return _token(row) if row else None


def live_token(db: Connection, hash: str, now: int) -> Token | None:
    """The token with this digest, unless it is revoked or expired."""
    row = one(
        db,
        f"SELECT {COLUMNS} FROM tokens WHERE hash = :hash AND revoked_at IS NULL"  # noqa: S608
        " AND (expires_at IS NULL OR expires_at > :now)",
        {"hash": hash, "now": now},
    )
    return _token(row) if row else None


def tokens(db: Connection, before: int | None, limit: int) -> list[Token]:
    """At most `limit` tokens with an id below `before`, newest first, revoked and expired ones too."""
    rows = many(
        db,
        f"SELECT {COLUMNS} FROM tokens WHERE :before IS NULL OR id < :before"  # noqa: S608
        " ORDER BY id DESC LIMIT :limit",
        {"before": before, "limit": limit},
    )
    return [_token(row) for row in rows]


def revoke_token(db: Connection, token_id: int, now: int) -> bool:
    """False if it was revoked before."""
    return (
        run(
            db,
            "UPDATE tokens SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL",
            {"id": token_id, "now": now},
        )
        == 1
    )


def drop_tokens_named(db: Connection, name: str) -> int:
    return run(db, "DELETE FROM tokens WHERE name = :name", {"name": name})


def token_used(db: Connection, token_id: int, now: int) -> None:
    run(db, "UPDATE tokens SET used_at = :now WHERE id = :id", {"id": token_id, "now": now})
