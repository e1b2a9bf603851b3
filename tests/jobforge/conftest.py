"""The cast: a valid bundle of our own making, the reference vectors where they are present, and Node where it is."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bundle_cast import valid_bundle

ROOT = Path(__file__).parents[2]
VECTORS = ROOT.parent / "shared" / "contracts" / "vectors"


@pytest.fixture
def bundle() -> dict[str, Any]:
    return valid_bundle()


@pytest.fixture
def vectors() -> Path:
    if not VECTORS.is_dir():
        pytest.skip("the reference vectors are not part of the project and are not beside it")
    return VECTORS


NODE_PROGRAM = """
const lines = require('readline').createInterface({input: process.stdin});
const sorted = (value) => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const result = Object.create(null);
  for (const key of Object.keys(value).sort()) result[key] = sorted(value[key]);
  return result;
};
const verbs = {
  canonical: (value) => JSON.stringify(sorted(value)),
  pretty: (value) => JSON.stringify(sorted(value), null, 2),
  collate: (keys) => keys.sort((a, b) => a.localeCompare(b, 'en-US')),
};
lines.on('line', (line) => {
  const [verb, values] = JSON.parse(line);
  process.stdout.write(JSON.stringify(values.map(verbs[verb])) + '\\n');
});
"""

Node = Callable[[str, str], str]


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """Asks a JavaScript engine: a verb and JSON text of a list in, JSON text of the list of answers out."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node is not installed, so there is no other implementation to compare with")
    with subprocess.Popen(
        [program, "-e", NODE_PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as child:

        def ask(verb: str, values: str) -> str:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(f'["{verb}", {values}]\n')
            child.stdin.flush()
            return child.stdout.readline()

        yield ask
        assert child.stdin is not None
        child.stdin.close()
        child.wait(timeout=10)
