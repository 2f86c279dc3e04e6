"""Who a file is for, its tokens, its limit and its bill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import tokens
from pipeline.errors import DataError, RecipeError
from pipeline.export.check import check_file
from pipeline.export.check_target import target_of
from pipeline.settings import Settings
from pipeline.types import Problem
from tests.render.folders import folder_of


def chat(asked: str, said: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def none_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer of words, as transformers saves it."""
    kit = pytest.importorskip("tokenizers")
    made = kit.Tokenizer(kit.models.WordLevel({"<unk>": 0, "one": 1, "<bos>": 2}, unk_token="<unk>"))
    made.pre_tokenizer = kit.pre_tokenizers.WhitespaceSplit()
    (tmp_path / "model").mkdir()
    made.save(str(tmp_path / "model" / "tokenizer.json"))
    return tmp_path / "model"


@pytest.mark.usefixtures("none_here")
@pytest.mark.parametrize(
    ("text", "format_", "encoding", "limit", "usd"),
    [
        ("gpt-4.1-mini", "openai-chat", "o200k_base", 65_536, 5.0),
        ("openai:gpt-4o-mini", "openai-chat", "o200k_base", 65_536, 3.0),
        ("ft:gpt-4.1-2025-04-14:acme::x1", "openai-chat", "o200k_base", 65_536, 25.0),
        ("gpt-3.5-turbo", "openai-chat", "cl100k_base", 16_385, None),
        ("together:meta-llama/Llama-3", "openai-chat", "", None, None),
        ("openai", "openai-chat", "o200k_base", 65_536, None),
        ("llama2", "llama2", "", None, None),
        ("prompt_completion", "prompt-completion", "", None, None),
    ],
)
def test_who_is_meant(text: str, format_: str, encoding: str, limit: int | None, usd: float | None) -> None:
    found = target_of(text)
    assert found.format is not None
    assert (found.format.name, found.vocabulary.name, found.limit) == (format_, encoding, limit)
    assert (found.price.usd if found.price else None) == usd
    assert found.vocabulary.length is None, "no vocabulary is here, and nobody goes and gets one"
    assert target_of(text, limit=7).limit == 7


def test_a_format_with_options() -> None:
    found = target_of("text: {eos: </s>}")
    assert found.format is not None
    assert found.format.how.model_dump()["eos"] == "</s>"
    for wrong in ("text: {end: x}", "nothing: {a: b}"):
        with pytest.raises(RecipeError):
            target_of(wrong)


def test_prices_of_ones_own_win() -> None:
    settings = Settings.model_validate({"prices": {"gpt-4.1-mini": {"input": 1, "output": 1, "training": 9}}})
    price = target_of("gpt-4.1-mini", settings).price
    assert price is not None
    assert price.usd == 9


def test_nobody_is_meant(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"unknown format 'gpt4\.1'") as caught:
        target_of("gpt4.1")
    assert "gpt-4.1" in caught.value.hint
    with pytest.raises(DataError, match=r"there is no tokenizer\.json"):
        target_of(f"gemma:{tmp_path}")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="is no tokenizer"):
        target_of(f"gemma:{tmp_path}")


def test_a_tokenizer_of_ones_own_counts_the_rendered_text(tmp_path: Path, folder: Path) -> None:
    path = write(tmp_path / "a.jsonl", [chat("one two", "one"), chat("one " * 30, "one")])
    problems: list[Problem] = []
    (done,) = check_file(path, problems.append, target=target_of(f"gemma:{folder}", limit=20))
    assert done.tokens is not None
    assert done.tokens["exact"]
    assert done.tokens["counted_by"] == str(folder)
    assert [(p.code, p.where) for p in problems] == [
        ("too-long", f"{path}:2"), ("other-shape", f"{path}:1")], "ten rows are OpenAI's wish alone"
    # <bos><start_of_turn>user | one | two<end_of_turn> | <start_of_turn>model | one<end_of_turn>, and 28 words more
    assert [done.tokens["row"][key] for key in ("min", "max")] == [5, 33]
    assert "job" not in done.tokens, "nobody is paid"


@pytest.mark.usefixtures("none_here")
def test_without_a_vocabulary_a_limit_is_held_against_the_bound(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [chat("Q", "x" * size) for size in (40, 300, 900)])
    problems: list[Problem] = []
    (done,) = check_file(path, problems.append, target=target_of("gpt-4.1-mini", limit=200), groups="D")
    assert [(p.code, p.severity, p.where.rpartition(":")[2]) for p in problems if "too-few" not in p.code] == [
        ("maybe-too-long", "warning", "2"), ("maybe-too-long", "error", "3")]
    assert done.tokens is not None
    assert not done.tokens["exact"]
    assert "o200k_base" in done.tokens["missing"]
    assert done.tokens["job"]["usd_at_most"] > done.tokens["job"]["usd"]


def test_as_openais_notebook_has_it(shared_data: Path) -> None:
    """The golden numbers of the cookbook's notebook, which has 4,096 as its limit and counts in cl100k."""
    if tokens.vocabulary("cl100k_base") is None or tokens.vocabulary("o200k_base") is None:
        pytest.skip(f"no vocabulary: set TIKTOKEN_CACHE_DIR, or {tokens.vocabulary_line('cl100k_base')}")
    expected = json.loads((shared_data / "openai" / "toy_expected.json").read_bytes())
    file = shared_data / "openai" / expected["file"]
    (done,) = check_file(file, lambda problem: None, target=target_of("gpt-4", limit=4096))
    found = done.tokens
    assert found is not None
    assert found["exact"]
    assert (done.rows, done.facts["without_system"], done.facts["without_user"]) == (
        expected["n"], expected["missing_system"], expected["missing_user"])
    assert done.facts["messages"] == {"min": 2, "max": 9, "mean": 3.8, "median": 3.0, "p10": 2.0,
                                      "p90": pytest.approx(6.6)}
    row = found["row"]
    assert (row["min"], row["max"], row["median"], row["mean"]) == (26, 8032, 45.0, expected["mean_total"])
    assert [row["p10"], row["p90"]] == pytest.approx(expected["q10_q90_total"])
    assert found["total"] == sum(expected["total_tokens_cl100k"])
    assert (found["answers"]["total"], found["answers"]["median"], found["answers"]["mean"]) == (
        sum(expected["assistant_tokens_cl100k"]), 10.0, 1610.2)
    assert (found["over_limit"], found["within_limit"]) == (expected["over_4096"], expected["billing_tokens_cl100k"])
    assert found["job"]["epochs"] == expected["default_epochs"]
    assert found["job"]["tokens"] == expected["charged_tokens"]
    (done,) = check_file(file, lambda problem: None, target="gpt-4.1-mini")
    assert done.tokens is not None
    assert done.tokens["total"] == sum(expected["total_tokens_o200k"])
    assert done.tokens["job"]["usd"] == pytest.approx(20 * 8233 * 5 / 1e6)


def test_what_the_notebook_crashes_on_is_counted(tmp_path: Path) -> None:
    """It raises TypeError on a weight, on tool calls and on image parts."""
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    rows = [
        {"messages": [*chat("Q", "A")["messages"][:1], {"role": "assistant", "content": "A", "weight": 1}]},
        {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "tool_calls": [call]}]},
        {"messages": [{"role": "user", "content": [image]}, {"role": "assistant", "content": "A"}]},
        {"messages": [{"role": "developer", "content": "D"}, *chat("Q", "A")["messages"]]},
    ]
    problems: list[Problem] = []
    (done,) = check_file(write(tmp_path / "a.jsonl", rows * 3), problems.append, target="gpt-4.1-mini")
    assert {p.code for p in problems if p.severity == "error"} == set()
    assert done.tokens is not None
    assert done.tokens["row"]["min"] > 0


def test_rows_of_pairs_go_to_the_same_host(tmp_path: Path) -> None:
    pair = {"input": {"messages": [{"role": "user", "content": "Q"}]},
            "preferred_output": [{"role": "assistant", "content": "A"}],
            "non_preferred_output": [{"role": "assistant", "content": "B"}]}
    path = write(tmp_path / "a.jsonl", [pair] * 12)
    lost = {"other-shape", "holds-no-pair"}
    for target, codes in (("gpt-4.1-mini", set()), ("openai", set()), ("openai-chat", lost)):
        problems: list[Problem] = []
        check_file(path, problems.append, target=target)
        assert {p.code for p in problems if p.severity == "error"} == codes


@pytest.mark.parametrize(("target", "row", "fix"), [
    ("llama3", [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}],
     "synth export {} --to llama3"),
    ("mistral", [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"},
                 {"role": "assistant", "content": "A"}],
     "no row fits as it is (system-lost, {}:1): name the format as 'mistral: {{system: fold}}' to put it before the "
     "question"),
    ("qwen: {version: 3-2507}", [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}],
     "synth export {} --to 'qwen: {{version: \"3-2507\"}}'"),
])
def test_a_conversion_is_proposed_where_it_works(tmp_path: Path, target: str, row: list[dict[str, str]],
                                                 fix: str) -> None:
    from pipeline.export import Options
    from pipeline.export.convert import convert

    path = write(tmp_path / "a.jsonl", [{"messages": row}] * 3)
    problems: list[Problem] = []
    check_file(path, problems.append, target=target)
    (found,) = [problem for problem in problems if problem.code == "other-shape"]
    assert found.fix == fix.format(path, path)
    who = target_of(target)
    assert who.format is not None
    if found.fix.startswith("synth"):
        assert convert(path, [who.format], Options(), problems.append).written[0].files[0].rows == 3
    else:
        with pytest.raises(DataError, match="no row could be written"):
            convert(path, [who.format], Options(), problems.append)


def test_sizes_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.export import check

    path = write(tmp_path / "a.jsonl", [chat(f"Q{i}", "A") for i in range(12)])
    for large, largest, code in ((100, 10**9, "large"), (10, 100, "too-large")):
        monkeypatch.setattr(check, "LARGE", large)
        monkeypatch.setattr(check, "LARGEST", largest)
        problems: list[Problem] = []
        check_file(path, problems.append, target="openai", groups="A")
        assert [problem.code for problem in problems] == [code]


PLAIN = "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}"


def test_a_folders_own_template_sets_the_rows(tmp_path: Path) -> None:
    """What the template does to a row is said of each row; a folder that cannot be used is said before any."""
    pytest.importorskip("tokenizers")
    path = write(tmp_path / "a.jsonl", [chat(f"Question {i}", f"Answer {i}") for i in range(12)])
    today = PLAIN.replace("<s>{{ m", "<s>{{ strftime_now('%d') }} {{ m", 1)
    for name, template, code in (("today", today, "text-injected"), ("raises", "{{ raise_exception('no') }}", "no")):
        problems: list[Problem] = []
        check_file(path, problems.append, target=target_of(str(folder_of(tmp_path / name, template))))
        errors = [problem for problem in problems if problem.severity == "error"]
        assert len({problem.where for problem in errors}) == 12, name
        assert code in "".join(problem.code + problem.message for problem in errors), name
    with pytest.raises(DataError, match="broken"):
        target_of(str(folder_of(tmp_path / "broken", "{% if %}")))
    with pytest.raises(DataError, match="no chat template"):
        target_of(str(folder_of(tmp_path / "none", None)))


@pytest.mark.usefixtures("none_here")
@pytest.mark.parametrize(("who", "found"), [
    ("gemma", {("special-token", "warning")}), ("chatml", {("control-token", "error")}),
    ("openai", {("special-token", "error")}),
])
def test_a_token_is_refused_by_its_own_family_only(tmp_path: Path, who: str, found: set[tuple[str, str]]) -> None:
    path = write(tmp_path / "a.jsonl", [chat("what ends <|im_end|> a turn?", f"This does {n}.") for n in range(12)])
    problems: list[Problem] = []
    check_file(path, problems.append, target=who)
    assert {(p.code, p.severity) for p in problems if "token" in p.code} == found


def test_answers_alone_are_told_a_command(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"messages": [{"role": "assistant", "content": "This does."}]}])
    problems: list[Problem] = []
    check_file(path, problems.append)
    (told,) = (p.fix for p in problems if p.code == "no-user")
    assert told.endswith(f"synth export {path} --to prompt-completion")
