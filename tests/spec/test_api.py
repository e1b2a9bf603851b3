"""The API as the two specs and the issue name it, described truthfully."""

import json
import os
import random
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from longhouse.api import router
from longhouse.api.openapi import description
from longhouse.outward import Outward
from longhouse.repo import bootstrap

DOCS = Path(__file__).parents[2] / "docs"
CHECKS = (
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
    unsupported_method,
)
LEAK = re.compile(rb"Traceback|File \\?\"|SELECT |INSERT |/src/|site-packages|sqlite|apsw", re.IGNORECASE)
STREAMS = ("/api/events", "/api/runs/{run_id}/logs/stream")
OWN_CODE = ("/api/job-templates",)
"""What it answers is code of ours, which may name a database."""
EXAMPLES = 3
SEED = int(os.environ.get("LONGHOUSE_SEED", "1"))
"""Of `make test`: the same requests each time. `make soak` looks for others."""


@cache
def described() -> dict[str, Any]:
    """Two seconds, which not every worker that only reads this module has to spend."""
    return description(router)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/jobs"),
        ("get", "/api/jobs/{job_id}"),
        ("post", "/api/jobs/{job_id}/run"),
        ("post", "/api/jobs/{job_id}/enable"),
        ("post", "/api/jobs/{job_id}/disable"),
        ("get", "/api/jobs/repo"),
        ("post", "/api/jobs/repo/init"),
        ("get", "/api/jobs/{job_id}/firings"),
        ("get", "/api/runs"),
        ("get", "/api/runs/{run_id}"),
        ("get", "/api/runs/{run_id}/logs"),
        ("get", "/api/runs/{run_id}/logs/stream"),
        ("post", "/api/runs/{run_id}/cancel"),
        ("post", "/api/runs/{run_id}/rerun"),
        ("get", "/api/events"),
        ("get", "/livez"),
        ("get", "/readyz"),
        ("get", "/metrics"),
    ],
)
def test_the_route_is_there(method, path):
    assert method in described()["paths"][path]


def test_the_committed_description_is_that_of_the_program():
    assert json.loads((DOCS / "openapi.json").read_text()) == described(), (
        "run: python -m longhouse.api > docs/openapi.json"
    )


def test_the_docs_name_every_route():
    text = (DOCS / "api.md").read_text()
    named = {
        f"{method.upper()} {path}"
        for path, operations in described()["paths"].items()
        for method in operations
        if f"`{method.upper()} {path}`" not in text
    }
    assert named == set()


def test_the_description_is_behind_the_door(client, anonymous):
    assert client.get("/openapi.json").json() == described()
    del anonymous.headers["Authorization"]
    assert anonymous.get("/openapi.json").status_code == 401
    for path in ("/docs", "/redoc"):
        assert anonymous.get(path).status_code == 401


@pytest.mark.parametrize(
    "seed", [SEED, *(pytest.param(None, marks=pytest.mark.soak, id=f"random-{number}") for number in range(10))]
)
@pytest.mark.rule("S15")
def test_generated_requests_find_nothing(client, house, add_job, seed):
    """Every operation with generated values, good and bad: described answers only, and none that tells too much."""
    bootstrap.ensure(house.paths, known_commits=False)
    add_job()
    client.post("/api/jobs/daily-digest/run")
    house.follow(house.keep, Outward(github_url="http://127.0.0.1:9"))  # nobody is there: tests reach no stranger
    headers = {"Authorization": client.headers["Authorization"], "Host": "localhost:4747"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app, headers=headers)
    seed, answered = random.randrange(2**32) if seed is None else seed, 0
    print(f"seed {seed}")
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in STREAMS:
            house.feed.closing.set()  # they end at once, so that their answers can be looked at
        else:
            house.feed.closing.clear()

        def check(case, operation=operation):
            nonlocal answered
            if any(isinstance(value, list | dict) for value in (case.query or {}).values()):
                return  # a name given several times in an address: the last one counts, and may be fine
            case.headers = {**(case.headers or {}), **headers}
            answer = case.call()
            told = operation.path not in OWN_CODE and LEAK.search(answer.content)
            assert not told, (operation.label, answer.content[:500])
            unreachable = answer.status_code == 502 and answer.json()["code"] == "github.unreachable"
            case.validate_response(answer, checks=CHECKS[1:] if unreachable else CHECKS)
            answered += 1

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                try:
                    generated(check, operation.as_strategy(generation_mode=mode), seed)
                except Unsatisfiable:  # nothing can be wrong with a request that takes no values
                    assert mode is GenerationMode.NEGATIVE and not operation.definition.raw.get("parameters")
    assert answered >= EXAMPLES * len(described()["paths"]) / 3


def generated(check, strategy, seed):
    @seeded(seed)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def run(case):
        check(case)

    run()
