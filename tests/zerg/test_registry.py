"""The settings of a job are checked in full, with a sentence for each mistake."""

from __future__ import annotations

from typing import Any

import pytest

from zerg.jobs import JobConfig, JobConfigError, JobRegistry, job_registry, registry


def run() -> None:
    """A job."""


def config(**settings: Any) -> JobConfig:
    return JobConfig(**{"id": "one", "func": run, **settings})


def test_both_imports_give_the_same_things() -> None:
    assert registry.job_registry is job_registry
    assert registry.JobConfig is JobConfig
    assert registry.JobRegistry is JobRegistry


def test_the_defaults_are_those_that_are_promised() -> None:
    made = vars(config())
    assert {name: made[name] for name in made if name not in ("id", "func")} == {
        "cron": None,
        "every": None,
        "timezone": None,
        "enabled": True,
        "description": "",
        "tags": (),
        "project": None,
        "params": {},
        "timeout_seconds": 300,
        "max_attempts": 3,
        "retry_delay_seconds": 15,
        "overlap": "skip",
        "catch_up": "latest",
        "max_catch_up": 10,
        "misfire_grace_seconds": 60,
        "jitter_minutes": 0,
        "priority": 0,
        "concurrency_group": None,
        "concurrency_limit": 1,
        "memory_mb": None,
        "secrets": (),
    }


def test_settings_are_keywords_only() -> None:
    with pytest.raises(TypeError):
        JobConfig("one", run)  # type: ignore[misc]


@pytest.mark.parametrize("job_id", ["a", "0", "daily-digest", "a_b", "x" * 64])
def test_an_id_may_be(job_id: str) -> None:
    assert config(id=job_id).id == job_id


@pytest.mark.parametrize("job_id", ["", "-a", "_a", "A", "a b", "a/b", "ä", "a\n", "x" * 65, None, 7])
def test_an_id_may_not_be(job_id: Any) -> None:
    with pytest.raises(JobConfigError, match="starting with a letter or digit"):
        config(id=job_id)


@pytest.mark.parametrize("word", ["repo", "new"])
def test_a_word_that_is_an_address_is_reserved(word: str) -> None:
    with pytest.raises(JobConfigError, match=f"id must not be '{word}'"):
        config(id=word)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"cronn": "@daily"}, "there is no setting 'cronn'; did you mean cron?"),
        ({"zzz": 1}, "there is no setting 'zzz'."),
        ({"cron": "* * * * *", "every": 5}, "cron and every are both given"),
        ({"cron": "* * *"}, "has to have 5 fields"),
        ({"cron": ""}, "has to have 5 fields"),
        ({"cron": 5}, "has to be text such as"),
        ({"every": 0}, "every is 0, but has to be a whole number from 1"),
        ({"every": 1.5}, "every is 1.5, but has to be a whole number"),
        ({"every": True}, "every is True"),
        ({"timezone": ""}, "has to be a name such as 'Europe/Berlin'"),
        ({"enabled": 1}, "enabled is 1, but has to be True or False"),
        ({"description": None}, "description is None, but has to be text"),
        ({"tags": "mail"}, "tags is 'mail', but has to be a list of words"),
        ({"tags": ["mail", 3]}, "tags has 3 in it"),
        ({"project": " "}, "project must not be empty"),
        ({"params": ["x"]}, "params is ['x'], but has to be a dict"),
        ({"timeout_seconds": 0}, "timeout_seconds is 0"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds is nan"),
        ({"max_attempts": 0}, "max_attempts is 0, but has to be a whole number from 1 to 100"),
        ({"retry_delay_seconds": 3601}, "from 0 to 3600"),
        ({"overlap": "wait"}, "overlap is 'wait', but has to be one of skip, queue, allow"),
        ({"catch_up": "none"}, "catch_up is 'none', but has to be one of skip, latest, all"),
        ({"max_catch_up": 0}, "max_catch_up is 0"),
        ({"misfire_grace_seconds": -1}, "misfire_grace_seconds is -1"),
        ({"jitter_minutes": 1441}, "jitter_minutes is 1441"),
        ({"priority": "high"}, "priority is 'high'"),
        ({"concurrency_group": "A"}, "concurrency_group is 'A'"),
        ({"concurrency_limit": 2}, "concurrency_limit is given without a concurrency_group"),
        ({"memory_mb": 1}, "memory_mb is 1, but has to be a whole number from 32"),
        ({"secrets": "KEY"}, "secrets is 'KEY', but has to be a list"),
        ({"secrets": ["A-B"]}, "secrets has the name 'A-B' in it"),
        ({"secrets": [{"label": "x"}]}, "which lacks its key"),
        ({"secrets": [{"key": "K", "secret": "x"}]}, "has the unknown 'secret' in it"),
        ({"secrets": [{"key": "K", "required": "yes"}]}, "has required='yes' in it"),
        ({"secrets": ["K", {"key": "K"}]}, "names K twice"),
        ({"func": None}, "func is None, but has to be a function"),
        ({"func": print}, "has to be a function"),
    ],
)
def test_a_mistake_is_refused_with_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(JobConfigError) as refused:
        config(**settings)
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("job 'one': ")


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(JobConfigError) as refused:
        config(overlap="x", catch_up="y", priority=1.5, colour="red")
    assert len(str(refused.value).splitlines()) == 4


@pytest.mark.parametrize("cron", ["0 8 * * *", "*/5 * * * * *", "@daily", "  1 2 3 4 5 "])
def test_a_cron_text_has_the_shape_of_one(cron: str) -> None:
    assert config(cron=cron).cron == cron


def test_secrets_are_names_or_dicts() -> None:
    short, long = config(secrets=["TOKEN", {"key": "KEY", "label": "The key", "required": False}]).secrets
    assert short == {
        "key": "TOKEN",
        "label": "",
        "type": "password",
        "placeholder": "",
        "description": "",
        "required": True,
    }
    assert (long["key"], long["label"], long["required"]) == ("KEY", "The key", False)


def test_queue_mode_is_accepted_and_has_no_effect() -> None:
    assert vars(config(queue_mode="redis")) == vars(config())


def test_a_duplicate_id_names_both_places() -> None:
    jobs = JobRegistry()
    jobs.tree = __file__.rpartition("/")[0]
    jobs.register(config())
    with pytest.raises(JobConfigError) as refused:
        jobs.register(config())
    file = __file__.rpartition("/")[2]
    assert str(refused.value).count(f"{file}:") == 2


def test_one_group_has_one_limit() -> None:
    jobs = JobRegistry()
    jobs.register(config(id="a", concurrency_group="g", concurrency_limit=2))
    jobs.register(config(id="b", concurrency_group="g", concurrency_limit=2))
    jobs.check_groups()
    jobs.register(config(id="c", concurrency_group="g"))
    with pytest.raises(JobConfigError, match="has two limits: 2 for job 'a'"):
        jobs.check_groups()


def test_register_takes_a_job_config() -> None:
    with pytest.raises(JobConfigError, match="register takes a JobConfig"):
        JobRegistry().register({"id": "one"})  # type: ignore[arg-type]
