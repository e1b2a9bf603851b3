"""Funnels and experiments beyond the vectors: order, kinds of users, odd times, broken files, size."""

import json

import pytest

from growth import events as events_module
from growth.errors import InputRefused
from growth.events import Event, read_events
from growth.figures import percent, rounded
from growth.funnel import analyse
from growth.moments import event_moment, later, written
from growth.redaction import Redaction
from growth.run import stable_run

RUN = stable_run("acme", "growth", "t")


def funnel(rows, steps, **more):
    events = [Event(user, name, moment) for user, name, moment in rows]
    return analyse(events, steps, name="f", source_file="e.json", run=RUN, redaction=Redaction(), **more)


def users(metrics):
    return [step["unique_users"] for step in metrics["steps"]]


def test_ordered_counts_only_who_did_the_steps_one_after_the_other():
    rows = [
        ("a", "x", 0),
        ("a", "y", 1000),
        ("b", "y", 0),
        ("b", "x", 1000),
        ("c", "y", 0),
        ("d", "x", 5),
        ("d", "y", 5),
    ]
    assert users(funnel(rows, ["x", "y"])) == [3, 4]
    ordered = funnel(rows, ["x", "y"], ordered=True)
    assert users(ordered) == [3, 2]
    assert ordered["steps"][0]["avg_time_to_next_seconds"] == 0.5
    assert ordered["id"] != funnel(rows, ["x", "y"])["id"]


def test_ordered_wants_a_repeated_step_twice():
    rows = [("a", "x", 0), ("a", "y", 1), ("b", "x", 0), ("b", "y", 1), ("b", "x", 2)]
    assert users(funnel(rows, ["x", "y", "x"], ordered=True)) == [2, 2, 1]


def test_the_number_1_and_the_text_1_are_two_users_and_1_and_1_0_are_one(tmp_path):
    path = tmp_path / "e.json"
    rows = [f'{{"user_id":{user},"event_name":"x","timestamp":"2024-01-01"}}' for user in ("1", '"1"', "1.0")]
    path.write_text(f"[{','.join(rows)}]")
    metrics = analyse(read_events(path, named_by="x"), ["x"], name="f", source_file="e", run=RUN, redaction=Redaction())
    assert users(metrics) == [2]


def test_the_id_depends_on_the_figures_alone():
    rows = [("a", "x", 0), ("b", "x", 1000), ("a", "y", 2000)]
    renamed = [(user + "!", name, moment) for user, name, moment in rows]
    assert funnel(rows, ["x", "y"])["id"] == funnel(renamed, ["x", "y"])["id"]
    assert funnel(rows, ["x", "y"])["id"] != funnel(rows[:2], ["x", "y"])["id"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-01", "2024-01-01T00:00:00.000Z"),
        ("2024-01-01 05:00", "2024-01-01T05:00:00.000Z"),
        ("2024-01-01T05:00:00.9999", "2024-01-01T05:00:00.999Z"),
        ("2024-01-01T05:00:00+05:00", "2024-01-01T00:00:00.000Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("0001-01-01", "0001-01-01T00:00:00.000Z"),
        (1704067200000, "2024-01-01T00:00:00.000Z"),
    ],
)
def test_event_times(text, moment):
    assert written(event_moment(text)) == moment


@pytest.mark.parametrize(
    "text", ["yesterday", "", "2024-02-30", "2024-13-01", "20240101", True, None, 1e300, [], "２０２４-01-01"]
)
def test_what_is_no_event_time(text):
    assert event_moment(text) is None


def test_rounding_is_half_up_as_in_ecmascript():
    assert [rounded(value) for value in (0.5, 1.5, 2.5, -0.5, -2.5, 0.49999999999999994)] == [1, 2, 3, 0, -2, 0]
    assert percent(0.6491228070175439) == "64.9 %"
    assert later("2024-02-28T12:00:00Z", 14) == "2024-03-13T12:00:00.000Z"


EVENT = '{"user_id":"u","event_name":"x","timestamp":"2024-01-01"}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "holds no event"),
        ("{}", "not an array"),
        ("", "ends too early"),
        ("null", "not an array"),
        (f"[{EVENT},]", "at /1"),
        (f"[{EVENT}", "ends too early|missing"),
        (f"[{EVENT}] x", "more after the end"),
        (f"[{EVENT},5]", "at /1"),
        (f"[{EVENT},{EVENT.replace('u', '', 1)}]", "at /1/user_id"),
        (f'[{EVENT.replace("u", "u", 1)[:-1]},"a":1,"a":2}}]', "occurs twice"),
        (f'[{EVENT[:-1]},"a":1e400}}]', "range of a double"),
        (f"[{EVENT.replace('2024-01-01', 'soon')}]", "/0/timestamp"),
        ("\ufeff[]", "byte-order mark"),
    ],
)
def test_a_broken_events_file_is_refused_by_place(tmp_path, text, words):
    (tmp_path / "e.json").write_text(text)
    with pytest.raises(InputRefused, match=words) as refused:
        list(read_events(tmp_path / "e.json", named_by="--events"))
    assert "e.json" in refused.value.message


@pytest.mark.parametrize("piece", [1, 2, 7, 64, 1000])
def test_pieces_of_any_size_give_the_same_events(tmp_path, monkeypatch, piece):
    rows = [
        {"user_id": f'u"{{{number}}},[', "event_name": "x", "timestamp": "2024-01-01", "more": {"a": [{}, {"b": "},"}]}}
        for number in range(20)
    ]
    (tmp_path / "e.json").write_text(" \n" + json.dumps(rows, indent=piece % 3))
    monkeypatch.setattr(events_module, "PIECE", piece)
    assert [event.user for event in read_events(tmp_path / "e.json", named_by="x")] == [row["user_id"] for row in rows]


@pytest.mark.parametrize("piece", [5, 100, 4_000_000])
def test_a_fault_far_inside_is_named_by_its_number(tmp_path, monkeypatch, piece):
    rows = ",\n".join([EVENT] * 50 + [EVENT.replace('"x"', "x")] + [EVENT] * 50)
    (tmp_path / "e.json").write_text(f"[{rows}]")
    monkeypatch.setattr(events_module, "PIECE", piece)
    with pytest.raises(InputRefused, match="at /50"):
        list(read_events(tmp_path / "e.json", named_by="x"))


def test_130_000_events_in_the_inputs_and_900_levels_of_nesting(growth, tmp_path):
    event = {"event_id": "e", "event_name": "n", "tenant_id": "acme", "project_id": "growth"}
    event["occurred_at"] = "2024-01-01T00:00:00Z"
    deep = '{"k":' * 900 + "1" + "}" * 900
    first = json.dumps(event)[:-1] + f',"payload":{deep}}}'
    (tmp_path / "i.json").write_text('{"events":[' + ",".join([first] + [json.dumps(event)] * 129_999) + "]}")
    owner = ("--tenant", "acme", "--project", "growth", "--trace", "t")
    done = growth("analyze", "--inputs", "i.json", *owner, "--out", "out", cwd=tmp_path)
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "out" / "report.json").read_text())["inputs"]["event_count"] == 130_000
