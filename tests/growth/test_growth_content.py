"""Profiles and drafts: what is inherited, what never appears, what always does, and the optional language model."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from growth.content import LIMITS, Brief, Prohibited, TemplateWriter, draft
from growth.errors import InputRefused
from growth.figures import cut, utf16_length
from growth.profiles import BUILT_IN, Profiles, built_in
from growth.redaction import Redaction
from growth.wording import TEMPLATES

OWNER = ("--tenant", "acme", "--project", "growth")


def profile_text(**changes):
    profile = {
        "name": "Base",
        "icp": {"description": "readers", "pain_points": ["Slow pages"], "goals": ["Sell more"]},
        "voice": {"tone": "plain", "style_guide": "Short.", "vocabulary": []},
        "keywords": {"primary": ["shop"], "secondary": [], "prohibited": ["magic"]},
        "features": [{"name": "Fast", "description": "d", "benefits": ["b"]}],
        "prohibited_claims": ["no risk"],
        "required_disclaimers": ["Results vary."],
    }
    return json.dumps({**profile, **changes})  # JSON is YAML


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "base.yaml").write_text(profile_text())
    return tmp_path / "profiles"


@pytest.mark.parametrize("name", built_in())
@pytest.mark.parametrize("content_type", TEMPLATES)
def test_every_draft_of_our_profiles_keeps_their_rules(name, content_type):
    profile = Profiles((BUILT_IN,)).load(name)
    words = " and ".join(profile.prohibited())
    brief = Brief(
        name, content_type, f"Grow with {words}", keywords=(words, "plain"), features=(words,), audience=words
    )
    for variant in range(3):
        made = draft(brief, profile, TemplateWriter(), Redaction(), variant=variant)
        assert not Prohibited(profile.prohibited()).occurs(made["content"].replace(" ".join(made["disclaimers"]), ""))
        for term in profile.prohibited():
            assert term.lower() not in made["content"].lower() or len(term) < 5
        assert made["disclaimers"] == profile.required_disclaimers
        if content_type in LIMITS:
            assert utf16_length(made["content"]) <= LIMITS[content_type]
        else:
            assert all(text in made["content"] for text in profile.required_disclaimers)


def test_there_are_six_profiles_of_ours():
    assert len(built_in()) == 6


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Pure MAGIC, really", "Pure, really"),
        ("magically  good", "good"),
        ("There is no\u00a0risk here", "There is here"),
        ("no no risk risk", ""),
        ("imagination", "imagination"),
        ("plain", "plain"),
    ],
)
def test_prohibited_words_go_in_any_form(text, left):
    assert Prohibited(["magic", "no risk"]).removed(text) == left


def test_short_words_are_prohibited_as_words_only():
    assert Prohibited(["ai"]).removed("AI sends email by AI") == "sends email by"


def test_extends_merges_what_the_base_says(folder):
    (folder / "child.yaml").write_text(
        "name: Child\nextends: base\nkeywords: {prohibited: [cheap]}\n"
        "features: [{name: Fast, description: faster, benefits: []}, {name: New, description: n, benefits: []}]\n"
        "required_disclaimers: [Terms apply.]\n"
    )
    profile = Profiles((folder,)).load("child")
    assert profile.name == "Child"
    assert profile.icp.pain_points == ["Slow pages"]
    assert set(profile.prohibited()) == {"cheap", "magic", "no risk"}
    assert [(feature.name, feature.description) for feature in profile.features] == [("Fast", "faster"), ("New", "n")]
    assert profile.required_disclaimers == ["Terms apply.", "Results vary."]


def test_profiles_that_extend_each_other_are_refused(folder):
    (folder / "a.yaml").write_text("extends: b\n")
    (folder / "b.yaml").write_text("extends: a\n")
    with pytest.raises(InputRefused, match="a -> b -> a"):
        Profiles((folder,)).load("a")


@pytest.mark.parametrize(
    "name", ["../base", "a/b", "..", ".hidden", "/etc/passwd", "a\0b", "", "x" * 300, "a\\b", "base\n"]
)
def test_a_profile_is_named_not_addressed(folder, name):
    with pytest.raises(InputRefused, match=r"not the name of a profile"):
        Profiles((folder,)).load(name)


def test_a_profile_that_links_out_of_its_folder_does_not_exist(folder, tmp_path):
    (tmp_path / "outside.yaml").write_text(profile_text())
    (folder / "leak.yaml").symlink_to(tmp_path / "outside.yaml")
    with pytest.raises(InputRefused, match="no profile 'leak'"):
        Profiles((folder,)).load("leak")


@pytest.mark.parametrize(
    "text", ["[]", "null", "a: [", "!!python/object/apply:os.system [id]", "name: 5\n", profile_text(name="")]
)
def test_a_file_that_is_no_profile_is_refused_by_name(folder, text):
    (folder / "bad.yaml").write_text(text)
    with pytest.raises(InputRefused, match=r"bad\.yaml"):
        Profiles((folder,)).load("bad")


def test_a_disclaimer_that_is_prohibited_is_a_conflict(folder, growth):
    (folder / "odd.yaml").write_text(profile_text(required_disclaimers=["No magic here."]))
    done = growth("draft-content", "--profile", "odd", "--type", "ad_copy", "--goal", "g", *OWNER, cwd=folder.parent)
    assert done.code == 2
    assert "which holds a word it prohibits" in done.err


def test_cut_counts_utf16_units_and_never_splits_a_pair():
    assert cut("😀" * 10, 7) == "😀😀😀…"
    assert utf16_length(cut("word " * 50, 60)) <= 60


class Model(BaseHTTPRequestHandler):
    replies: list = []  # noqa: RUF012 - set per test
    seen: list = []  # noqa: RUF012

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.path, dict(self.headers), body))
        status, headers, reply = self.replies[min(len(self.seen), len(self.replies)) - 1]
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def model():
    Model.replies, Model.seen = [], []
    server = HTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def ask(growth, folder, port, *more, **env):
    settings = {
        "GROWTH_LLM_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "GROWTH_LLM_MODEL": "small",
        "GROWTH_LLM_API_KEY": "canary-key-12345",
        **env,
    }
    command = ("draft-content", "--profile", "base", "--type", "ad_copy", "--goal", "Grow", "--llm-provider", "openai")
    return growth(*command, *OWNER, "--json", *more, cwd=folder.parent, env=settings)


def reply(text, **usage):
    return (200, {}, {"choices": [{"message": {"content": text}}], "usage": usage})


def test_a_models_draft_keeps_the_same_rules(growth, folder, model):
    Model.replies = [reply("Magic! Write to jane@example.test.", prompt_tokens=100, completion_tokens=20)]
    done = ask(growth, folder, model)
    assert done.code == 0, done.err
    made = done.json()[0]
    assert made["llm_used"] is True
    assert made["content"] == "! Write to [redacted:email].\n\nResults vary."
    path, headers, body = Model.seen[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer canary-key-12345"
    assert body["model"] == "small"
    assert body["max_tokens"] <= 2000
    assert "canary" not in done.out + done.err


def test_cost_is_capped_before_and_between_calls(growth, folder, model):
    Model.replies = [reply("Fine.", prompt_tokens=1000, completion_tokens=1000)]
    dear = {"GROWTH_LLM_USD_PER_MTOK_IN": "200", "GROWTH_LLM_USD_PER_MTOK_OUT": "200"}
    done = ask(growth, folder, model, "--variants", "9", **dear)
    assert done.code == 2
    assert "max_cost_usd" in done.err
    allowed = [body["max_tokens"] for _, _, body in Model.seen]
    assert len(allowed) == 3  # 0.40 dollars each by usage: a fourth could only pass the dollar
    assert allowed[:2] == [2000, 2000]
    assert allowed[2] * 200 / 1e6 < 0.2


@pytest.mark.parametrize(
    ("answer", "retryable", "after"),
    [
        ((429, {"Retry-After": "7"}, {}), True, 7),
        ((500, {}, {}), True, 1),
        ((401, {}, {"error": "canary-key-12345"}), False, 1),
        ((302, {"Location": "http://127.0.0.1:9/"}, {}), False, 1),
        ((200, {}, b"not json"), True, 1),
        ((200, {}, {"choices": []}), True, 1),
        ((200, {}, {"choices": [{"message": {"content": None}}]}), True, 1),
        ((200, {}, b"x" * 1_100_000), True, 1),
    ],
)
def test_a_failing_model_is_exit_3_with_retry_guidance(growth, folder, model, answer, retryable, after):
    Model.replies = [answer]
    done = ask(growth, folder, model)
    assert done.code == 3
    assert done.out == ""
    told = json.loads(done.err)
    assert told["retry"] == {
        "retryable": retryable,
        "retry_after_seconds": after,
        "max_retries": 3 if retryable else 0,
        "strategy": "exponential_backoff",
    }
    assert "canary" not in done.err
    assert len(Model.seen) == 1


def test_a_model_that_is_not_there_is_exit_3(growth, folder):
    assert ask(growth, folder, 9).code == 3


@pytest.mark.parametrize("url", ["http://models.example/v1", "ftp://127.0.0.1/", "file:///etc/passwd", ""])
def test_the_key_travels_encrypted_or_not_at_all(growth, folder, url):
    done = ask(growth, folder, 9, GROWTH_LLM_BASE_URL=url)
    assert done.code == 2
    assert "GROWTH_LLM_BASE_URL" in done.err


def test_no_model_is_asked_unless_a_provider_is_named(growth, folder, model):
    env = {"GROWTH_LLM_BASE_URL": f"http://127.0.0.1:{model}/v1", "GROWTH_LLM_MODEL": "small"}
    done = growth(
        "draft-content", "--profile", "base", "--type", "ad_copy", "--goal", "Grow", *OWNER, cwd=folder.parent, env=env
    )
    assert done.code == 0
    assert Model.seen == []
