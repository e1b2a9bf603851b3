"""Static files: their bytes, packed for those who can unpack them."""

from __future__ import annotations

import gzip

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from longhouse.web.assets import FOLDER, Assets

FILE = "vendor/uplot-1.6.32.min.js"


@pytest.fixture
def client() -> TestClient:
    app, assets = FastAPI(), Assets()
    app.mount(assets.prefix, assets)
    app.state.address = assets.url(FILE)
    return TestClient(app)


def test_a_file_is_packed_for_those_who_can_unpack_it(client: TestClient) -> None:
    app = client.app
    assert isinstance(app, FastAPI)
    with client.stream("GET", app.state.address, headers={"Accept-Encoding": "br, gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    content = (FOLDER / FILE).read_bytes()
    assert gzip.decompress(raw) == content and len(raw) < len(content) / 2
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert answer.headers["content-type"].startswith("text/javascript")


def test_for_others_it_is_as_it_is(client: TestClient) -> None:
    app = client.app
    assert isinstance(app, FastAPI)
    answer = client.get(app.state.address, headers={"Accept-Encoding": "identity"})
    assert answer.content == (FOLDER / FILE).read_bytes()
    assert "content-encoding" not in answer.headers and answer.headers["vary"] == "Accept-Encoding"
