"""Done means 1: the figures of the single analyses, through the commands that print them."""

import json
import shutil

import pytest
from growth_cast import VECTORS

TEXT = {"description", "message", "recommendation", "title", "hypothesis", "rationale"}


def lines(name):
    path = VECTORS / "components" / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def compared(value):
    """Structure and figures: texts masked, ids are just ids, variants are counted, the moment is the run's."""
    if isinstance(value, list):
        return [compared(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: "<text>"
        if key in TEXT or key in ("id", "funnel_metrics_id")
        else len(item)
        if key == "suggested_variants" and isinstance(item, list)
        else compared(item)
        for key, item in value.items()
    }


@pytest.mark.parametrize(
    "line", [*lines("seo"), *lines("funnel"), *lines("experiments")], ids=lambda line: line["case"]
)
def test_the_figures_are_those_of_the_contract(line, vectors, growth, tmp_path):
    folder = tmp_path / "case"
    shutil.copytree(vectors / "analyze" / line["case"].removeprefix("own/"), folder)
    folder.chmod(0o755)
    if "funnel_metrics" in line:
        (folder / "m.json").write_text(json.dumps(line["funnel_metrics"]))
    done = growth(*line["argv"][1:], "--stable-output", cwd=folder)
    assert done.code == 0, done.err
    assert compared(done.json()) == compared(line["output"])
