"""Routes that are worked out at their first use."""

import asyncio
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from fastapi.exceptions import FastAPIError
from starlette.testclient import TestClient

from longhouse.doors.routes import routes

WORKED_OUT = """
import json
from longhouse import api, web
known = [*api.router.routes, *web.router.routes]
print(json.dumps([len(known), [route.path for route in known if "dependant" in vars(route)]]))
"""


class Thing:
    """Nothing that a request could carry."""


def route_of(function, path="/double/{number}"):
    router = routes()
    router.get(path, status_code=202)(function)
    (found,) = router.routes
    return found


def double(number: int, plus: int = 0) -> dict[str, int]:
    return {"doubled": 2 * number + plus}


def is_worked_out(route):
    return "dependant" in vars(route)


def test_a_start_works_out_no_route():
    said = subprocess.run([sys.executable, "-c", WORKED_OUT], capture_output=True, text=True, check=True).stdout
    known, worked_out = json.loads(said)
    assert known > 150
    assert worked_out == []


def test_the_first_request_works_it_out_and_no_other():
    app, wanted, other = FastAPI(), route_of(double), route_of(double, "/other/{number}")
    app.router.routes.extend([other, wanted])
    client = TestClient(app)
    assert client.get("/nowhere").status_code == 404
    assert not is_worked_out(wanted)
    answer = client.get("/double/4?plus=1")
    assert (answer.status_code, answer.json()) == (202, {"doubled": 9})
    assert is_worked_out(wanted) and not is_worked_out(other)
    assert client.get("/double/four").status_code == 422
    assert client.post("/double/4").status_code == 405


def test_many_who_ask_at_once_get_the_same():
    for _ in range(20):
        route = route_of(double)
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _, route=route: route.app, range(8)))
        assert len({id(each) for each in found}) == 1


def test_the_loop_goes_on_while_a_route_is_worked_out():
    """Were it done in the loop, the others would never come so far as to let it be done."""
    app, route, others_went_on, answers = FastAPI(), route_of(double), threading.Event(), []
    work_out = route._work_out

    def slowly():
        assert others_went_on.wait(20), "the loop stands still"
        work_out()

    async def others():
        for _ in range(20):
            await asyncio.sleep(0)
        others_went_on.set()

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        answers.append(message)

    async def first_request():
        scope = {"type": "http", "method": "GET", "path": "/double/4", "query_string": b"", "headers": []}
        await asyncio.gather(app(scope, receive, send), others())

    route._work_out = slowly
    app.router.routes.append(route)
    with ThreadPoolExecutor(1) as thread:  # a browser of another test may have left a loop in this one
        thread.submit(asyncio.run, first_request()).result()
    assert answers[0]["status"] == 202 and answers[1]["body"] == b'{"doubled":8}'


def test_a_route_that_cannot_be_says_so_when_it_is_asked_for():
    def wrong(what: Thing) -> None: ...

    route = route_of(wrong, "/wrong")
    for _ in range(2):
        with pytest.raises(FastAPIError, match="Invalid args for response field"):
            _ = route.dependant


def test_what_no_route_has_it_does_not_have_either():
    with pytest.raises(AttributeError, match="has no colour"):
        _ = route_of(double).colour
