"""Our own log lines."""

from __future__ import annotations

import json
import logging

import pytest

from longhouse.logs import Lines, Log


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.rule("S18")
def test_a_value_cannot_begin_a_line_of_its_own_or_talk_to_the_terminal(form: str, caplog: pytest.LogCaptureFixture):
    name = "x\n2026-01-01 level=error event=forged \x1b[31m"
    try:
        raise ValueError(name)
    except ValueError as problem:
        Log("longhouse.test").error("login failed", error=problem, user=name)
    line = Lines(form).format(caplog.records[0])
    assert "\n" not in line
    assert "\x1b" not in line
    assert "login failed" in line
    assert "ValueError" in line
    if form == "json":
        assert json.loads(line)["user"] == name


def test_other_libraries_come_out_the_same_way():
    record = logging.LogRecord("uvicorn", logging.WARNING, "", 0, "odd %s", ("thing\r\n",), None)
    line = Lines("text").format(record)
    assert line.endswith('logger=uvicorn event="odd thing\\r\\n"')
