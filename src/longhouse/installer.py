"""What the installer (uv) is told about indexes, proxies and certificates. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

INHERITED = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|INDEX_STRATEGY|KEYRING_PROVIDER)"
    r"|UV_(INSECURE_HOST|HTTP_TIMEOUT|OFFLINE|EXCLUDE_NEWER|LINK_MODE)|UV_INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD)"
    r"|(?i:(HTTP|HTTPS|ALL|NO)_PROXY)|SSL_CERT_(FILE|DIR)|NETRC"
)
PIP = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
    "PIP_PROXY": "HTTPS_PROXY",
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_DEFAULT_TIMEOUT": "UV_HTTP_TIMEOUT",
    "REQUESTS_CA_BUNDLE": "SSL_CERT_FILE",
    "CURL_CA_BUNDLE": "SSL_CERT_FILE",
}
"""pip's variables under uv's names; uv's own go before them."""


def environment(values: dict[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Our settings, else uv's variables, else pip's."""
    found = {name: text for name, text in environ.items() if text and INHERITED.fullmatch(name)}
    for pip, uv in PIP.items():
        if text := environ.get(pip, ""):
            separator = "," if uv == "UV_FIND_LINKS" else " "
            found.setdefault(uv, separator.join(text.split()))
    if values["index_url"]:
        found.pop("UV_INDEX_URL", None)
        found["UV_DEFAULT_INDEX"] = values["index_url"]
    if values["extra_index_urls"]:
        found.pop("UV_EXTRA_INDEX_URL", None)
        found["UV_INDEX"] = " ".join(values["extra_index_urls"])
    if values["find_links"]:
        found["UV_FIND_LINKS"] = ",".join(values["find_links"])
    if values["proxy"]:
        found = {name: text for name, text in found.items() if name.upper() not in ("HTTP_PROXY", "HTTPS_PROXY")}
        found |= {"HTTP_PROXY": values["proxy"], "HTTPS_PROXY": values["proxy"]}
    if values["ca_file"]:
        found["SSL_CERT_FILE"] = str(values["ca_file"])
    return found
