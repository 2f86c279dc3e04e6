"""Token counts: exact with a vocabulary at hand, estimates that say so without, and never a download."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import tokens


@pytest.fixture
def vocabularies() -> None:
    """Both vocabularies where tiktoken looks for them; skipped, visibly, where they are not."""
    for name in ("o200k_base", "cl100k_base"):
        if tokens.vocabulary(name) is None:
            pytest.skip(f"no vocabulary {name}: set TIKTOKEN_CACHE_DIR, or {tokens.vocabulary_line(name)}")


@pytest.fixture
def none_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("openai:gpt-4.1-mini-2025-04-14", "o200k_base"),
        ("ft:gpt-4.1-mini-2025-04-14:acme::x1", "o200k_base"),
        ("openai:ft:gpt-4o-2024-08-06:acme:plots:x1", "o200k_base"),
        ("openrouter:openai/gpt-4o", "o200k_base"),
        ("ft:gpt-3.5-turbo-0125:acme::x", "cl100k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("GPT-4", "cl100k_base"),
        ("gpt-5.2", "o200k_base"),
        ("gpt-6-luna", None),
        ("gpt-40", None),
        ("gpt-4.9", None),
        ("rehearsal:plots", None),
        ("", None),
    ],
)
def test_encoding_of_a_model(model: str, name: str | None) -> None:
    assert tokens.encoding_name(model) == name


@pytest.mark.usefixtures("none_here")
def test_an_estimate_says_so_and_asks_nobody() -> None:
    assert tokens.count("abcdefgh", "gpt-4o") == (2, False)
    assert tokens.count("a", "gpt-4o") == (1, False)
    assert tokens.count("", "gpt-4o") == (0, False)
    found = tokens.count_messages([{"role": "user", "content": "abcd"}], "gpt-4o")
    assert found == (3 + 3 + 1 + 1, False)


def test_a_wrong_file_is_no_vocabulary(tmp_path: Path) -> None:
    """tiktoken would delete it and download another."""
    (tmp_path / "fb374d419588a4632f3f557e76b4b70aebbca790").write_bytes(b"IQ== 0\n")
    assert tokens.vocabulary("o200k_base", {"TIKTOKEN_CACHE_DIR": str(tmp_path)}) is None
    assert tokens.vocabulary("o200k_base", {"TIKTOKEN_CACHE_DIR": ""}) is None
    assert tokens.vocabulary("nonsense", {}) is None


@pytest.mark.usefixtures("vocabularies")
def test_as_openais_cookbook_counts(shared_data: Path) -> None:
    folder = shared_data / "openai"
    expected = json.loads((folder / "toy_expected.json").read_bytes())
    rows = [json.loads(line)["messages"] for line in (folder / expected["file"]).read_bytes().splitlines()]
    for model, short in (("gpt-4", "cl100k"), ("gpt-4.1-mini", "o200k")):
        counts = [tokens.count_messages(row, model) for row in rows]
        assert all(found.exact for found in counts)
        assert [found.tokens for found in counts] == expected[f"total_tokens_{short}"]
        said = [[m["content"] for m in row if m["role"] == "assistant"] for row in rows]
        answers = [sum(tokens.count(text, model).tokens for text in row) for row in said]
        assert answers == expected[f"assistant_tokens_{short}"]


@pytest.mark.usefixtures("vocabularies")
def test_exact_and_bounded_for_any_text() -> None:
    @given(st.text(alphabet=st.characters(), max_size=60))
    def bounded(text: str) -> None:
        found = tokens.count(text, "gpt-4o")
        assert found.exact
        assert found.tokens <= tokens.at_most(text)
        message = [{"role": "user", "content": text}]
        assert tokens.count_messages(message, "gpt-4o").tokens <= tokens.at_most_messages(message)

    bounded()
    assert tokens.count("<|endoftext|>", "gpt-4o").tokens > 1


def test_what_is_no_text_makes_an_estimate() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    assert not tokens.count_messages([{"role": "user", "content": [image]}], "gpt-4o").exact
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    row = [{"role": "assistant", "content": None, "tool_calls": [call], "weight": 1}]
    assert not tokens.count_messages(row, "gpt-4o").exact
    assert tokens.count_messages(row, "gpt-4o").tokens <= tokens.at_most_messages(row)


def test_tools_of_a_request_count_and_are_bounded() -> None:
    tool = {"type": "function", "function": {"name": "look_up", "description": "Zürich " * 20, "parameters": {}}}
    bare = {"messages": [{"role": "user", "content": "hello"}]}
    told = {**bare, "tools": [tool, tool]}
    assert tokens.count_body(bare, "x") == tokens.count_messages(bare["messages"], "x")
    assert tokens.at_most_body(bare) == tokens.at_most_messages(bare["messages"])
    counted = tokens.count_body(told, "x")
    assert not counted.exact
    assert counted.tokens > tokens.count_body(bare, "x").tokens + 50
    assert tokens.at_most_body(told) > 2 * len("Zürich " * 20) + tokens.at_most_body(bare)
