"""Whoever changes one thing in a bundle is found out, unless the change means nothing."""

import copy
import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bundle_cast import valid_bundle

from jobforge.canonical import canonical, idempotency_key
from jobforge.documents import examine, read

SEED = int(os.environ.get("JOBFORGE_MUTATION_SEED", "20240901"))
MUTATIONS = 500
Path = tuple[Any, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, step))


def at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def put(document: Any, path: Path, value: Any) -> None:
    at(document, path[:-1])[path[-1]] = value


def another_value(document: Any, dice: random.Random) -> None:
    path = dice.choice([p for p in places(document) if not isinstance(at(document, p), dict | list)])
    old = at(document, path)
    options = [None, True, False, 0, 1, -1, 0.5, "", "x", f"{old}x", f" {old}", [old], {"a": old}, [], {}]
    put(document, path, dice.choice([o for o in options if canonical(o) != canonical(old)]))


def another_key(document: Any, dice: random.Random) -> None:
    path = dice.choice([p for p in places(document) if isinstance(p[-1], str)])
    holder, key = at(document, path[:-1]), path[-1]
    value = holder.pop(key)
    renamed = dice.choice([None, key.upper(), key + "_", " " + key, "__proto__"])
    if renamed is not None:
        holder[renamed] = value


def one_more_key(document: Any, dice: random.Random) -> None:
    path = dice.choice([(), *(p for p in places(document) if isinstance(at(document, p), dict))])
    at(document, path)[dice.choice(["extra", "0", "__proto__", "dry_run"])] = dice.choice([1, "x", None, []])


def another_hash(document: Any, dice: random.Random) -> None:
    path = dice.choice([("canonical_hash",), *((("requests", n, "idempotency_key")) for n in range(4))])
    old = at(document, path)
    position = dice.randrange(64)
    put(
        document,
        path,
        old[:position] + dice.choice("0123456789abcdef".replace(old[position], "")) + old[position + 1 :],
    )


def another_flag(document: Any, dice: random.Random) -> None:
    number = dice.randrange(4)
    holder = dice.choice([document["requests"][number], document["requests"][number]["request"]["constraints"]])
    flag = dice.choice([key for key, value in holder.items() if isinstance(value, bool)])
    holder[flag] = not holder[flag]


def another_cost(document: Any, dice: random.Random) -> None:
    constraints = document["requests"][dice.randrange(4)]["request"]["constraints"]
    constraints["max_cost_usd"] = dice.choice([-1, -0.01, 0, 0.02, 1e9, "0.01", None, True])


def another_scope(document: Any, dice: random.Random) -> None:
    holder = dice.choice([document, *(entry["request"] for entry in document["requests"])])
    holder[dice.choice(["tenant_id", "project_id"])] = dice.choice(["acme2", "ACME", "acme ", "аcme"])


def another_type(document: Any, dice: random.Random) -> None:
    request = document["requests"][dice.randrange(4)]["request"]
    types = {"autopilot.growth.seo_scan", "autopilot.growth.experiment_run", "autopilot.growth.seo_sсan", "shell"}
    request["job_type"] = dice.choice(sorted(types - {request["job_type"]}))


def another_nesting(document: Any, dice: random.Random) -> None:
    path = dice.choice(list(places(document)))
    put(document, path, dice.choice([lambda v: [v], lambda v: {"value": v}])(at(document, path)))


def another_sequence(document: Any, dice: random.Random) -> None:
    requests = document["requests"]
    change = dice.choice(["swap", "drop", "repeat"])
    first, second = dice.sample(range(4), 2)
    if change == "swap":
        requests[first], requests[second] = requests[second], requests[first]
    elif change == "drop":
        del requests[first]
    else:
        requests.append(copy.deepcopy(requests[first]))


KINDS: list[Callable[[Any, random.Random], None]] = [
    another_value,
    another_key,
    one_more_key,
    another_hash,
    another_flag,
    another_cost,
    another_scope,
    another_type,
    another_nesting,
    another_sequence,
]


def test_500_single_mutations_are_all_refused() -> None:
    accepted = []
    for number in range(MUTATIONS):
        document = valid_bundle()
        kind = KINDS[number % len(KINDS)]
        kind(document, random.Random(f"{SEED}-{number}"))
        assert canonical(document) != canonical(valid_bundle()), f"mutation {number} changed nothing"
        if examine(document).acceptable or read(json.dumps(document).encode()).acceptable:
            accepted.append(f"{number} ({kind.__name__})")

    assert accepted == [], f"with JOBFORGE_MUTATION_SEED={SEED}"


def test_500_bundles_with_reordered_keys_are_all_accepted() -> None:
    for number in range(MUTATIONS):
        text = json.dumps(shuffled(valid_bundle(), random.Random(f"{SEED}-{number}")))
        assert read(text.encode()).violations == (), f"number {number} with JOBFORGE_MUTATION_SEED={SEED}"


def shuffled(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key], dice) for key in dice.sample(sorted(value), len(value))}
    return [shuffled(inner, dice) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("number", range(4))
def test_a_payload_swapped_together_with_its_key_is_found_by_the_hash(number: int) -> None:
    document = valid_bundle()
    request = document["requests"][number]["request"]
    request["payload"] = {"other": "work"}
    document["requests"][number]["idempotency_key"] = idempotency_key(
        "acme", "shop", request["job_type"], {"other": "work"}
    )

    assert [violation.code for violation in examine(document).violations] == ["document.hash"]
