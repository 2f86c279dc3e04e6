"""`chat-template`: any tokenizer folder's own template, and what each of them does wrong by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.formats import FormatRefusal, find, open_formats
from pipeline.formats._text import TextFormat
from pipeline.render import folder
from pipeline.render.folder import ChatTemplate
from pipeline.sections import Item
from pipeline.types import Example
from tests.formats.test_families import ONE, SYSTEM, TEXTS, TWO, through, trl_templates
from tests.render.folders import folder_of

PLAIN = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
MARKED = ("<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>")


def one(folder: Path, **options: Any) -> TextFormat:
    (found,) = open_formats([Item(name="chat-template", options={"tokenizer": str(folder), **options})])
    assert isinstance(found, TextFormat)
    return found


def refused(plugin: TextFormat, messages: list[dict[str, Any]]) -> FormatRefusal:
    with pytest.raises(FormatRefusal) as fault:
        plugin.write(Example(messages, sample="s1"))
    assert fault.value.fix
    return fault.value


def text(plugin: TextFormat, messages: list[dict[str, Any]]) -> str:
    return str(json.loads(plugin.write(Example(messages, sample="s1")))["text"])


def test_a_plain_template_is_written_and_reads_back(tmp_path: Path) -> None:
    plugin = one(folder_of(tmp_path / "m", PLAIN, special=MARKED))
    assert text(plugin, [SYSTEM, *ONE]) == "<s><|system|>\nSYS</s>\n<|user|>\nQ1</s>\n<|assistant|>\nA1</s>\n"
    for messages in (ONE, TWO, [SYSTEM, *ONE], [SYSTEM, *TWO], TWO * 3):
        assert plugin.read(json.loads(plugin.write(Example(messages)))).messages == messages
    told = plugin.rendering()
    assert told is not None
    assert (told["begin"], told["begins"], told["stop"]) == ("<s>", "row", "</s>")
    assert told["tokenizer"]["folder"] == "m"
    assert told["add_special_tokens"] is False
    assert [problem.code for problem in plugin.check(b'{"text": "<s><|user|>\\nQ"}', "f:1")] == ["not-chat-template"]


@pytest.mark.parametrize(("template", "said"), [
    (None, "no chat template"), ("", "no chat template"), ("{% for %}", "broken, line 1"),
    ("{% include 'x' %}", "cannot include"), ("a\n{{ b | frobnicate }}", "frobnicate"),
])
def test_a_folder_without_a_template_that_can_be_read_is_named(tmp_path: Path, template: str | None, said: str) -> None:
    folder = folder_of(tmp_path / "m", None, config={"chat_template": template} if template is not None else {})
    with pytest.raises(DataError, match=said) as fault:
        one(folder)
    assert "name a family" in fault.value.hint


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder") as fault:
        one(tmp_path / "nowhere")
    assert "hf download" in fault.value.hint
    with pytest.raises(DataError, match=r"no tokenizer_config\.json"):
        one(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("[")
    with pytest.raises(DataError, match=r"tokenizer_config\.json"):
        one(tmp_path)
    assert refused(find("chat-template"), ONE).code == "no-tokenizer"  # type: ignore[arg-type]


RAISES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + PLAIN
DROPS = PLAIN.replace("<|{{", "{% if m['role'] == 'system' %}{% continue %}{% endif %}<|{{")
DATED = PLAIN.replace("{{ bos_token }}", "{{ bos_token }}<|system|>\n{{ strftime_now('%d %b %Y') }}{{ eos_token }}")
DEFAULT = PLAIN.replace("{{ bos_token }}", "{{ bos_token }}{% if messages[0]['role'] != 'system' %}<|system|>\n"
                        "You are a helpful bot.{{ eos_token }}\n{% endif %}")
TWICE = "{{ bos_token }}" + PLAIN
NO_END = PLAIN.replace("{{ eos_token }}", "")
HANGS = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}" + PLAIN
PEEKS = "{{ ''.__class__.__mro__ }}" + PLAIN


@pytest.mark.parametrize(("template", "messages", "code", "said"), [
    (RAISES, [SYSTEM, *ONE], "system-refused", "System role not supported"),
    (DROPS, [SYSTEM, *ONE], "text-lost", "message 1 (system)"),
    (DATED, ONE, "date-written", "today's date"),
    (DEFAULT, ONE, "text-injected", "'You are a helpful bot.'"),
    (TWICE, ONE, "double-begin", "2 times <s>"),
    (NO_END, ONE, "stop-not-trained", "not learn to end"),
    (HANGS, ONE, "template-refuses", "turns of loops"),
    (PLAIN, [{"role": "user", "content": "a</s>"}, ONE[1]], "control-token", "</s>"),
    (PLAIN, TWO[:3], "last-turn-not-assistant", "end in an answer"),
])
def test_what_a_template_does_wrong_is_named(
    tmp_path: Path, template: str, messages: list[dict[str, Any]], code: str, said: str
) -> None:
    fault = refused(one(folder_of(tmp_path / "m", template, special=MARKED)), messages)
    assert fault.code == code
    assert said in fault.message


def test_each_of_these_has_a_way_on(tmp_path: Path) -> None:
    raises = one(folder_of(tmp_path / "a", RAISES, special=MARKED), system="fold")
    drops = one(folder_of(tmp_path / "b", DROPS, special=MARKED), system="fold")
    for plugin in (raises, drops):
        assert text(plugin, [SYSTEM, *ONE]) == "<s><|user|>\nSYS\n\nQ1</s>\n<|assistant|>\nA1</s>\n"
    default = one(folder_of(tmp_path / "c", DEFAULT, special=MARKED), added="allow")
    assert "You are a helpful bot." in text(default, ONE)
    assert default.read({"text": text(default, ONE)}).messages == ONE
    dated = one(folder_of(tmp_path / "d", DATED, special=MARKED), added="allow", date="2024-07-26")
    assert text(dated, ONE).startswith("<s><|system|>\n26 Jul 2024</s>")
    assert dated.rendering()["date"] == "2024-07-26"  # type: ignore[index]


def test_a_template_reaches_nothing(tmp_path: Path) -> None:
    """Python's private names are nothing to it, and prints nothing: as in transformers."""
    plugin = one(folder_of(tmp_path / "m", PEEKS, special=MARKED))
    assert refused(plugin, ONE).code == "template-refuses"


def test_a_template_of_the_config_and_of_several(tmp_path: Path) -> None:
    several = [{"name": "tool_use", "template": "{{ raise_exception('no') }}"}, {"name": "default", "template": PLAIN}]
    for number, given_ in enumerate((PLAIN, several)):
        folder = folder_of(tmp_path / str(number), None, special=MARKED, config={"chat_template": given_})
        assert text(one(folder), ONE).startswith("<s><|user|>")


def test_a_begin_token_that_the_tokenizer_adds_is_left_to_it(tmp_path: Path) -> None:
    without = PLAIN.removeprefix("{{ bos_token }}")
    plugin = one(folder_of(tmp_path / "m", without, special=MARKED, config={"add_bos_token": True}))
    assert text(plugin, ONE).startswith("<|user|>")
    assert plugin.rendering()["add_special_tokens"] is True  # type: ignore[index]


def test_a_family_is_held_against_a_tokenizer(tmp_path: Path) -> None:
    """The same text and ids from our renderer and from the folder; another family's folder is noticed."""
    from tests.formats.test_families import one as family

    chatml = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
              "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
    folder = folder_of(tmp_path / "m", chatml, special=("<|endoftext|>", "<|im_end|>", "<|im_start|>"))
    assert text(family("chatml", tokenizer=str(folder)), [SYSTEM, *TWO]).startswith("<|im_start|>system\nSYS<|im_end|>")
    fault = refused(family("llama3", tokenizer=str(folder)), ONE)
    assert fault.code == "not-as-the-tokenizer"


@pytest.mark.parametrize("name", [
    "llama3", "llama3_2", "gemma", "gemma3", "qwen2_5", "qwen3", "qwen3_instruct_2507", "phi3"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=2, max_size=4), system=st.none() | TEXTS)
def test_the_hubs_templates_are_run_as_transformers_runs_them(
    name: str, tmp_path: Path, texts: list[str], system: str | None
) -> None:
    folder, shipped = tmp_path / name, trl_templates()
    if shipped is None:
        pytest.skip("trl is not installed: no template of the hub to run")
    if not folder.is_dir():
        special = {"llama3": ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
                   "gemma": ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
                   "qwen": ("<|endoftext|>", "<|im_end|>", "<|im_start|>"),
                   "phi3": ("<s>", "<|endoftext|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>")}
        own = next(tokens for family, tokens in special.items() if name.startswith(family))
        folder_of(folder, (shipped / f"{name}.jinja").read_text("utf-8"), special=own)
    plugin = one(folder, added="allow", date="2024-07-26", system="fold")
    head = [] if system is None else [{"role": "system", "content": system}]
    messages = head + [{"role": ("user", "assistant")[at % 2], "content": words} for at, words in enumerate(texts)]
    through(plugin, Example(messages, sample="s1"))


def test_the_text_needs_no_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.render.folder.find_spec", lambda name: None)
    plugin = one(folder_of(tmp_path / "m", PLAIN, special=MARKED))
    assert text(plugin, ONE).startswith("<s><|user|>")
    assert "synth-pipeline[local]" in plugin.rendering()["tokenizer"]["compared"]  # type: ignore[index]
    assert ChatTemplate.of(tmp_path / "m").digest in json.dumps(plugin.rendering())


@pytest.mark.parametrize(("template", "name", "options", "special", "arguments"), [
    ("llama3", "llama3", {}, ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"), {}),
    ("llama3_2", "llama3", {"date": "26 Jul 2024"},
     ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"), {"date_string": "26 Jul 2024"}),
    ("gemma3", "gemma", {}, ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"), {}),
    ("gemma4", "gemma4", {}, ("<bos>", "<eos>", "<|turn>", "<turn|>"), {}),
    ("qwen2_5", "qwen", {"added": "allow"}, ("<|endoftext|>", "<|im_end|>", "<|im_start|>"), {}),
    ("qwen3", "qwen", {"version": "3", "added": "allow"}, ("<|endoftext|>", "<|im_end|>", "<|im_start|>"),
     {"enable_thinking": False}),
    ("phi3", "phi3", {}, ("<s>", "<|endoftext|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"), {}),
])
def test_our_renderer_and_the_tokenizers_own_template_agree(
    tmp_path: Path, template: str, name: str, options: dict[str, Any], special: tuple[str, ...],
    arguments: dict[str, Any],
) -> None:
    """Text by text and id by id, on folders that hold the hub's templates."""
    from tests.formats.test_families import one as family

    shipped = trl_templates()
    if shipped is None:
        pytest.skip("trl is not installed: no template of the hub to run")
    pytest.importorskip("transformers")
    folder = folder_of(tmp_path / "m", (shipped / f"{template}.jinja").read_text("utf-8"), special=special)
    ours, theirs = family(name, tokenizer=str(folder), **options), one(folder, added="allow", arguments=arguments)
    assert theirs.kind.stop == ours.kind.stop
    assert theirs.kind.begin == ours.kind.begin
    written = 0
    for messages in (ONE, [SYSTEM, *ONE], TWO, [SYSTEM, *TWO]):
        if template == "qwen3" and len(messages) > 3:
            assert refused(ours, messages).code == refused(theirs, messages).code == "prompt-not-prefix"
            continue
        assert text(ours, messages) == text(theirs, messages)
        written += 1
    assert written >= 2


JUNK = st.recursive(st.none() | st.booleans() | st.integers(-1, 2) | st.text(max_size=3) | st.just("</s>"),
                    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
                        st.sampled_from(["content", "special", "id", "SpecialToken", "single", "processors"]), inner),
                    max_leaves=6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=st.dictionaries(st.sampled_from([
    "bos_token", "eos_token", "add_bos_token", "added_tokens_decoder", "extra_special_tokens",
    "additional_special_tokens", "chat_template"]), JUNK), tokenizer=JUNK)
def test_no_config_breaks_a_folder(tmp_path: Path, config: dict[str, Any], tokenizer: Any) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": PLAIN, **config}))
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": tokenizer, "post_processor": tokenizer}))
    folder._open.cache_clear()
    try:
        known = ChatTemplate.of(tmp_path)
    except DataError as error:
        assert error.hint  # noqa: PT017 - named, whatever it is
        return
    assert isinstance(known.control, tuple)
    assert all(isinstance(token, str) and token.strip() for token in known.control)


def test_a_folder_without_a_vocabulary_is_compared_by_text(tmp_path: Path) -> None:
    tokens = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": PLAIN}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokens))
    plugin = one(tmp_path)
    assert text(plugin, ONE) == "<s><|user|>\nQ1</s>\n<|assistant|>\nA1</s>\n"
    assert "no vocabulary" in plugin.rendering()["tokenizer"]["compared"]  # type: ignore[index]


def test_ids_are_those_of_the_tokenizers_own_template_on_every_row(tmp_path: Path) -> None:
    """Equal texts prove equal ids where transformers' own way leads from rows to ids; this holds it to that."""
    pytest.importorskip("transformers")
    own = ChatTemplate.of(folder_of(tmp_path / "m", PLAIN, special=MARKED))
    tokenizer = own._tokenizer
    assert tokenizer is not None
    assert not own._encodes_otherwise
    for said in ["word 7 of a small text", "\u4f60\u597d \U0001f5fa\ufe0f", "</s", "a</s>b"]:
        messages = [{"role": "user", "content": said}, {"role": "assistant", "content": said * 2}]
        rendered = tokenizer.apply_chat_template(messages, tokenize=False)
        ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"]
        assert list(ids) == list(tokenizer(rendered, add_special_tokens=False)["input_ids"])
    told = one(own.folder).rendering()
    assert told is not None
    assert told["tokenizer"]["compared"] == "text and ids of every row"


def test_a_tokenizer_with_a_way_of_its_own_is_compared_id_by_id_on_every_row(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")

    class Own(transformers.PreTrainedTokenizerFast):  # type: ignore[misc]
        """Encodes a row otherwise than its text, once it is a long one."""

        def apply_chat_template(self, conversation: Any, **options: Any) -> Any:
            found = super().apply_chat_template(conversation, **options)
            if options.get("tokenize", True) and "rare" in conversation[-1]["content"]:
                found["input_ids"] = found["input_ids"][:-1]
            return found

    own = ChatTemplate.of(folder_of(tmp_path / "m", PLAIN, special=MARKED))
    own.__dict__["_tokenizer"] = Own.from_pretrained(own.folder)
    assert own._encodes_otherwise
    codes = []
    for number in range(folder.ROWS + 3):
        said = [("user", f"Q{number}"), ("assistant", "a rare one" if number == folder.ROWS + 1 else "A")]
        codes += [(number, problem.code) for problem in own.other_ids(own.render(said), said, f"s{number}")]
    assert codes == [(folder.ROWS + 1, "other-ids")]


def test_a_character_that_the_vocabulary_does_not_know_is_told_on_every_row(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    kit = pytest.importorskip("tokenizers")
    known = {"<unk>": 0, "<s>": 1, "</s>": 2, "ask": 3, "tell": 4}
    made = kit.Tokenizer(kit.models.WordLevel(known, unk_token="<unk>"))
    made.pre_tokenizer = kit.pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["<unk>", *MARKED])
    home = folder_of(tmp_path / "m", PLAIN, special=MARKED, config={"unk_token": "<unk>"})
    made.save(str(home / "tokenizer.json"))
    own = ChatTemplate.of(home)
    assert not own._knows_all
    rows = range(folder.ROWS + 5)
    codes = []
    for number in rows:
        said = [("user", "ask"), ("assistant", "tell me" if number == rows[-1] else "tell")]
        codes += [(number, problem.code) for problem in own.other_ids(own.render(said), said, f"s{number}")]
    assert codes == [(rows[-1], "unknown-token")]
    assert ChatTemplate.of(folder_of(tmp_path / "bytes", PLAIN, special=(*MARKED, "<unk>"),
                                     config={"unk_token": "<unk>"}))._knows_all, "each byte has a token"
