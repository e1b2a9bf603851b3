"""All files of a run or none; what else is in the folder stays."""

import os
from pathlib import Path

import pytest

from growth import outputs
from growth.errors import DependencyFailed, InputRefused
from growth.outputs import write_all

NEW = {"report.json": "new report", "request-bundle.json": "new bundle"}


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_files_are_written_into_a_folder_that_is_made(tmp_path):
    paths = write_all(tmp_path / "a" / "b", NEW)
    assert content(tmp_path / "a" / "b") == NEW
    assert paths == [tmp_path / "a" / "b" / name for name in NEW]


def test_old_files_are_replaced_and_others_kept(tmp_path):
    (tmp_path / "report.json").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    write_all(tmp_path, NEW)
    assert content(tmp_path) == {**NEW, "notes.txt": "mine"}


@pytest.mark.parametrize("failing", range(1, 3))
def test_the_old_files_are_put_back_when_a_rename_fails(tmp_path, monkeypatch, failing):
    old = {"report.json": "old report", "request-bundle.json": "old bundle", "notes.txt": "mine"}
    for name, text in old.items():
        (tmp_path / name).write_text(text)
    real, calls = Path.replace, []

    def replace(self, target):
        if self.name.endswith(".new"):
            calls.append(target)
            if len(calls) == failing:
                raise OSError(5, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(DependencyFailed, match="Input/output error"):
        write_all(tmp_path, NEW)
    assert content(tmp_path) == old


def test_nothing_is_left_where_there_was_nothing_when_syncing_fails(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs.os, "fsync", full)
    with pytest.raises(DependencyFailed, match="No space left"):
        write_all(tmp_path / "out", NEW)
    assert list(tmp_path.iterdir()) == []


def test_the_bundle_comes_last(tmp_path, monkeypatch):
    order, real = [], Path.replace

    def replace(self, target):
        order.append(Path(target).name)
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    write_all(tmp_path, {"request-bundle.json": "b", "report.json": "r", "report.md": "m"})
    assert order[-1] == "request-bundle.json"


def test_a_folder_in_the_place_of_a_file_is_refused_and_kept(tmp_path):
    (tmp_path / "report.json").mkdir()
    with pytest.raises(InputRefused, match=r"report\.json is a folder"):
        write_all(tmp_path, NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(InputRefused, match="is a file, not a folder"):
        write_all(tmp_path / "out" / "deeper", NEW)
    assert (tmp_path / "out").read_text() == "x"


def test_a_symbolic_link_in_the_place_of_a_file_is_replaced_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_text("theirs")
    (tmp_path / "out").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "out" / "report.json")
    write_all(tmp_path / "out", NEW)
    assert (tmp_path / "elsewhere").read_text() == "theirs"
    assert content(tmp_path / "out") == NEW
