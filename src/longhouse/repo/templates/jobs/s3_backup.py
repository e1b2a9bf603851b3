"""A folder as one compressed archive in a bucket of any S3-compatible storage; old archives go."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
import tarfile
import urllib.parse
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from zerg.context import Context

MOST_AT_ONCE = 5 * 1024**3
"""Bytes. What S3 takes in one request."""
NOTHING = hashlib.sha256(b"").hexdigest()


def run(
    ctx: Context,
    folder: str,
    endpoint: str,
    bucket: str,
    region: str = "us-east-1",
    prefix: str = "backup/",
    keep: int = 14,
    verify: bool = True,
) -> Any:
    """Packs, sends, asks the storage whether it arrived whole, then removes all but the `keep` newest archives."""
    source = Path(folder).expanduser()
    if not source.is_dir():
        raise ValueError(f"there is no folder {folder!r}")
    if keep < 1:
        raise ValueError("keep is at least 1: the archive just made")
    storage = Storage(
        endpoint, bucket, region, ctx.require_secret("S3_ACCESS_KEY_ID"), ctx.require_secret("S3_SECRET_ACCESS_KEY")
    )
    ctx.progress(0, 4, "packing")
    archive = Path("backup.tar.gz")
    files = pack(source, archive)
    size, digest = archive.stat().st_size, sha256(archive)
    print(f"{files} files of {source} are {size} bytes packed, sha256 {digest}")
    if size > MOST_AT_ONCE:
        raise ValueError(f"{size} bytes is more than the {MOST_AT_ONCE} that S3 takes in one piece")

    ctx.progress(1, 4, "sending")
    key = f"{prefix}{ctx.job_id}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{ctx.run_id}.tar.gz"
    with archive.open("rb") as body:
        storage.call("PUT", key, body=body, size=size, digest=digest, headers={"x-amz-meta-sha256": digest})
    ctx.progress(2, 4, "verifying")
    if verify:
        _, headers = storage.call("HEAD", key)
        if headers.get("content-length") != str(size) or headers.get("x-amz-meta-sha256", digest) != digest:
            raise RuntimeError(f"{key} did not arrive whole: {headers.get('content-length')} of {size} bytes")
    print(f"stored as {key}")

    ctx.progress(3, 4, "removing old archives")
    pattern = re.compile(re.escape(f"{prefix}{ctx.job_id}-") + r"\d{8}T\d{6}Z-\d+\.tar\.gz")
    ours = sorted(filter(pattern.fullmatch, storage.names(f"{prefix}{ctx.job_id}-")))
    removed = ours[:-keep]
    for name in removed:
        print(f"removing {name}")
        storage.call("DELETE", name)
    ctx.progress(4, 4, "done")
    return {"key": key, "files": files, "bytes": size, "sha256": digest, "removed": len(removed)}


def pack(source: Path, archive: Path) -> int:
    """How many files went in. Links are kept as links; what cannot be read is an error, not a gap."""
    count = 0
    with tarfile.open(archive, "w:gz") as packed:
        for path in sorted(source.rglob("*")):
            if path.is_file() or path.is_symlink():
                packed.add(path, arcname=str(path.relative_to(source)), recursive=False)
                count += 1
    return count


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Storage:
    """A bucket, with requests signed as AWS Signature Version 4 has it."""

    def __init__(self, endpoint: str, bucket: str, region: str, key_id: str, secret: str) -> None:
        parts = urllib.parse.urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"{endpoint!r} is no http or https address")
        self.secure, self.host, self.base = parts.scheme == "https", parts.netloc, parts.path.rstrip("/")
        self.bucket, self.region, self.key_id, self._secret = bucket, region, key_id, secret

    def call(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        body: BinaryIO | None = None,
        size: int = 0,
        digest: str = NOTHING,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[bytes, dict[str, str]]:
        """The answer and its headers, in lower case. Raises RuntimeError with the storage's own words."""
        path = urllib.parse.quote(f"{self.base}/{self.bucket}" + (f"/{key}" if key else ""))
        pairs = sorted((quoted(name), quoted(value)) for name, value in (query or {}).items())
        asked = "&".join(f"{name}={value}" for name, value in pairs)
        sent = self.signed(method, path, asked, digest, dict(headers or {}))
        if body is not None:
            sent["content-length"] = str(size)
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        connection = kind(self.host, timeout=120)
        try:
            connection.request(method, f"{path}?{asked}" if asked else path, body=body, headers=sent)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            words = data.decode("utf-8", "replace")[:500]
            raise RuntimeError(f"{method} {key or self.bucket}: {answer.status} {answer.reason} {words}".strip())
        return data, {name.lower(): value for name, value in answer.getheaders()}

    def signed(self, method: str, path: str, asked: str, digest: str, headers: dict[str, str]) -> dict[str, str]:
        """`headers` with the date, the digest of the body and the signature over all of it."""
        now = datetime.now(UTC)
        day, stamp = f"{now:%Y%m%d}", f"{now:%Y%m%dT%H%M%SZ}"
        headers |= {"host": self.host, "x-amz-date": stamp, "x-amz-content-sha256": digest}
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
        request = "\n".join((method, path, asked, lines, names, digest))
        scope = f"{day}/{self.region}/s3/aws4_request"
        text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
        key = f"AWS4{self._secret}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"Credential={self.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "authorization": f"AWS4-HMAC-SHA256 {credential}"}

    def names(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, all pages of them."""
        found: list[str] = []
        more: dict[str, str] = {}
        while True:
            data, _ = self.call("GET", "", query={"list-type": "2", "prefix": prefix, **more})
            page: dict[str, list[ElementTree.Element]] = {"Contents": [], "NextContinuationToken": []}
            for each in ElementTree.fromstring(data):
                page.setdefault(each.tag.rpartition("}")[2], []).append(each)
            found += [part.text or "" for each in page["Contents"] for part in each if part.tag.endswith("Key")]
            if not page["NextContinuationToken"]:
                return found
            more = {"continuation-token": page["NextContinuationToken"][0].text or ""}


def quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="-_.~")
