"""Secrets of jobs: names and who uses them. No answer ever holds a value."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from longhouse import secrets
from longhouse.api.runs import when
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.house import House
from longhouse.secrets import Shown
from longhouse.vault import Secret

router = routes(tags=["secrets"])

WRITE = [Depends(needs("secrets:write"))]
Name = Annotated[str, Path(max_length=200, description="The secret's name, which is also its environment variable.")]


class SecretShown(BaseModel):
    name: str
    stored: bool = Field(description="False: a job declares it, and it has no value yet.")
    tail: str = Field(description="The last four characters of a value of more than 20; else empty.")
    set_at: str | None
    set_by: str | None
    jobs: list[str] = Field(description="Ids of the jobs that declare it.")
    required_by: list[str] = Field(description="Those of them that do not run without it.")


class SecretForgotten(BaseModel):
    name: str
    stored: bool = False


class SecretList(BaseModel):
    items: list[SecretShown]


class SecretValue(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    value: str = Field(description="At least 6 characters, at most 64 KiB; several lines are fine.")


class Rotation(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    data: bool = Field(False, description="Encrypt the values themselves anew, too.")


class Rotated(BaseModel):
    values: int = Field(description="How many were sealed anew.")


@router.get("/api/secrets", dependencies=WRITE)
def list_secrets(house: TheHouse) -> SecretList:
    """Every stored secret, and every one that a job declares."""
    return SecretList(items=[_shown(each) for each in secrets.list_secrets(house)])


@router.put("/api/secrets/{name}", dependencies=WRITE)
def set_secret(name: Name, body: SecretValue, house: TheHouse, caller: TheCaller) -> SecretShown:
    """Store a value, or another one in its place. Runs that start from now on get it."""
    secrets.put(house, name, Secret(body.value), caller.by)
    return _one(house, name)


@router.delete("/api/secrets/{name}", dependencies=WRITE)
def remove_secret(name: Name, house: TheHouse, caller: TheCaller) -> SecretForgotten:
    """Forget a value. Jobs that need it do not start until there is another one."""
    secrets.remove(house, name, caller.by)
    return SecretForgotten(name=name)


@router.post("/api/secrets/rotate", dependencies=[Depends(needs("admin"))])
def rotate(body: Rotation, house: TheHouse, caller: TheCaller) -> Rotated:
    """Seal every stored value with a new key and forget the old one. Safe to interrupt and to repeat."""
    return Rotated(values=secrets.rotate(house, caller.by, data=body.data))


def _one(house: House, name: str) -> SecretShown:
    return next(_shown(each) for each in secrets.list_secrets(house) if each.name == name)


def _shown(found: Shown) -> SecretShown:
    return SecretShown(
        name=found.name,
        stored=found.stored,
        tail=found.tail,
        set_at=when(found.set_at),
        set_by=found.set_by,
        jobs=list(found.jobs),
        required_by=list(found.required_by),
    )
