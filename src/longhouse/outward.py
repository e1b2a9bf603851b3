"""How the instance reaches other servers: proxy, certificates, where GitHub is and as what we are known there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from longhouse.vault import Secret

GITHUB = "https://github.com"


@dataclass(frozen=True)
class Outward:
    github_url: str = GITHUB
    """Where people sign in, without a slash at the end; https, or http on this machine."""
    github_api: str = ""
    """Empty: the one that belongs to `github_url`."""
    client_id: str = ""
    """Of a GitHub App or OAuth App; public."""
    app_slug: str = ""
    """A GitHub App's name in addresses, for the link that installs it on repositories."""
    client_secret: Secret | None = None
    """Only the web flow needs it."""
    proxy: str | None = field(default=None, repr=False)
    """None: what the environment says."""
    ca_file: Path | None = None
    """Certificates to trust besides the system's."""

    @property
    def github_api_url(self) -> str:
        return self.github_api or api_of(self.github_url)

    @property
    def github_host(self) -> str:
        return urlsplit(self.github_url).hostname or ""


def api_of(github_url: str) -> str:
    """github.com and *.ghe.com have a host of their own for the API; GitHub Enterprise Server has a path."""
    parts = urlsplit(github_url)
    host = parts.hostname or ""
    if host == "github.com" or host.endswith(".ghe.com"):
        return f"https://api.{host}"
    return f"{github_url}/api/v3"
