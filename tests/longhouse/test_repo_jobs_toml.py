"""jobs.toml: what is enabled other than the manifest says, written by us and by people."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longhouse.errors import ManifestBroken
from longhouse.repo import jobs_toml
from zerg._wire import JobDescription

IDS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,12}", fullmatch=True)


def job(job_id, enabled=True):
    return JobDescription(
        id=job_id, module="jobs.a", function="run", file="manifest.py", line=1, source_file="jobs/a.py", source_line=1,
        enabled=enabled,
    )  # fmt: skip


def test_disabling_writes_an_entry_that_a_person_can_read():
    text = jobs_toml.changed("", {"daily-digest": False})
    assert "[jobs.daily-digest]\nenabled = false\n" in text
    assert text.startswith("# Jobs that are enabled or disabled other than manifest.py says")
    assert jobs_toml.read(text) == {"daily-digest": False}


def test_comments_order_and_the_writing_of_others_stay():
    text = (
        "# ours\n\n[jobs.a]\nenabled = false # because of #12\n\n# the old one\n[jobs.b]  # b\nenabled = true\n"
        "\n# the end\n[jobs.c]\nenabled=false\n"
    )
    changed = jobs_toml.changed(text, {"a": True, "c": True})
    assert "enabled = true # because of #12" in changed and "# the old one\n[jobs.b]  # b" in changed
    removed = jobs_toml.changed(text, {"b": None})
    assert removed == text.replace("[jobs.b]  # b\nenabled = true\n\n", "")
    removed = jobs_toml.changed(text, {"a": None})
    assert "# ours\n" in removed and "# the old one\n[jobs.b]" in removed and "[jobs.a]" not in removed


def test_an_entry_that_says_what_the_manifest_says_is_removed():
    assert jobs_toml.setting(True, True) is None
    assert jobs_toml.setting(False, True) is True
    assert jobs_toml.setting(None, False) is False
    text = jobs_toml.changed("", {"a": False})
    assert jobs_toml.changed(text, {"a": jobs_toml.setting(True, True)}) == "", "and the file goes with the last one"


def test_a_file_with_words_of_a_person_stays_when_its_last_entry_goes():
    assert jobs_toml.changed("# mine\n[jobs.a]\nenabled = false\n", {"a": None}) == "# mine\n"


@given(st.lists(st.tuples(IDS, st.sampled_from([True, False, None])), max_size=12), st.booleans())
def test_whatever_the_changes_reading_gives_what_was_asked_for(changes, at_once):
    text, wanted = "", {}
    if at_once:
        wanted = dict(changes)
        text = jobs_toml.changed(text, wanted)
    else:
        for job_id, enabled in changes:
            text = jobs_toml.changed(text, {job_id: enabled})
            wanted[job_id] = enabled
    assert jobs_toml.read(text) == {job_id: value for job_id, value in wanted.items() if value is not None}


@pytest.mark.parametrize(
    "text", ["jobs = {a = {enabled = false}}\n", "[jobs]\na.enabled = false\n", "[jobs]\na = {enabled = false}\n",
             "jobs.a.enabled = false\n", '[jobs."a"]\nenabled = false\n', "[ jobs . a ]\nenabled=false"],
)  # fmt: skip
def test_other_ways_to_write_it_are_understood_and_kept_valid(text):
    assert jobs_toml.read(text) == {"a": False}
    changed = jobs_toml.changed(text, {"b": True, "a": True})
    assert jobs_toml.read(changed) == {"a": True, "b": True}
    assert jobs_toml.read(jobs_toml.changed(text, {"a": None})) == {}
    tomllib.loads(changed)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("\n[jobs.a\n", 2, "not TOML"),
        ("[jobs.a]\nenabled =", 2, "not TOML"),
        ("[jobs.a]\nenabled = true\n[jobs.a]\nenabled = false\n", 3, "not TOML"),
        ("[jobs.a]\nenabled = 'no'\n", 1, "enabled must be true or false, not 'no'"),
        ("# x\n[jobs.a]\nenabeld = false\n", 3, "unknown setting 'enabeld'"),
        ("enabled = false\n", 1, "unknown setting 'enabled'"),
        ("jobs = 3\n", 1, "jobs must be tables"),
        ("[jobs]\na = false\n", 2, "jobs.a must be a table"),
    ],
)
def test_what_cannot_be_read_names_the_line(text, line, words):
    with pytest.raises(ManifestBroken) as broken:
        jobs_toml.read(text)
    assert (broken.value.file, broken.value.line) == ("jobs.toml", line)
    assert words in broken.value.message
    with pytest.raises(ManifestBroken):
        jobs_toml.changed(text, {"a": True})


def test_bytes_that_are_no_text_are_a_broken_file_not_a_crash(tmp_path):
    (tmp_path / "jobs.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestBroken):
        jobs_toml.read_tree(tmp_path)


def test_no_file_is_no_override(tmp_path):
    assert jobs_toml.read_tree(tmp_path) == {}


def test_writing_is_whole_and_empty_removes_the_file(tmp_path):
    jobs_toml.write(tmp_path, "[jobs.a]\nenabled = false\n")
    assert jobs_toml.read_tree(tmp_path) == {"a": False}
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.toml"]
    jobs_toml.write(tmp_path, "")
    jobs_toml.write(tmp_path, "")
    assert list(tmp_path.iterdir()) == []


def test_an_override_goes_when_the_manifests_own_value_was_edited_or_says_the_same():
    overrides = {"edited": False, "same": False, "kept": False, "away": False, "new": True}
    previous = {"edited": False, "same": True, "kept": True, "away": True}
    new = {"edited": True, "same": False, "kept": True, "new": False}
    assert jobs_toml.stale(previous, new, overrides) == {"edited", "same"}
