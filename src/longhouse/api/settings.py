"""What the instance was told to be like, and what it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field

from longhouse import settings
from longhouse.clock import iso
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.settings import Setting

router = routes(tags=["settings"])

ADMIN = [Depends(needs("admin"))]


class SettingShown(BaseModel):
    name: str
    value: Any = Field(description="As it may be shown: secrets are dots.")
    source: str = Field(description="A flag, a variable, config.toml, or what kind of default.")
    meaning: str
    live: bool = Field(description="It can be changed while the instance runs.")
    fixed_by: str = Field(description="The flag or variable that goes before what is stored; empty if there is none.")


class SettingList(BaseModel):
    items: list[SettingShown]


class SettingsWanted(BaseModel):
    """Those left out stay as they are; null is the default again."""

    model_config = ConfigDict(extra="forbid", strict=True)

    slots: int | None = Field(None, ge=1, le=256)
    keep_days: int | None = Field(None, ge=1, le=36_500)
    keep_runs_least: int | None = Field(None, ge=1, le=1_000_000)
    keep_runs_most: int | None = Field(None, ge=1, le=10_000_000)
    github_client_id: str | None = Field(None, min_length=1, max_length=100, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")
    github_app_slug: str | None = Field(None, min_length=1, max_length=100, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")


class AboutShown(BaseModel):
    version: str
    python: str
    up_since: str
    zone: str = Field(description="The zone of jobs that name none.")
    jobs: int
    database_bytes: int
    disk_free_bytes: int
    data_dir: str | None = Field(description="For `admin` alone; else null.")


@router.get("/api/settings", dependencies=ADMIN)
def list_settings(house: TheHouse) -> SettingList:
    """Every setting with its value and source, as `config show` says them."""
    return _list(settings.list_settings(house))


@router.patch("/api/settings", dependencies=ADMIN)
def change_settings(body: SettingsWanted, house: TheHouse, caller: TheCaller) -> SettingList:
    """Change some; they are stored in config.toml and count at once."""
    wanted = {name: getattr(body, name) for name in body.model_fields_set}
    return _list(settings.change(house, wanted, caller.by))


@router.get("/api/about", dependencies=[Depends(needs("jobs:read"))])
def about(house: TheHouse, caller: TheCaller) -> AboutShown:
    """Version, age and size of the instance."""
    found = asdict(settings.about(house))
    own = found["data_dir"] if "admin" in caller.scopes else None
    return AboutShown(**{**found, "up_since": iso(found["up_since"]), "data_dir": own})


def _list(found: list[Setting]) -> SettingList:
    return SettingList(items=[SettingShown(**asdict(each)) for each in found])
