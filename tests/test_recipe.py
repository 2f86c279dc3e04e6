"""The recipe: what it takes, what goes into a request, and every fault as a sentence with its line."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RecipeError
from pipeline.recipe import Recipe, load_recipe, parse_recipe, recipe_schema

ROOT = Path(__file__).parents[1]
GOOD = """\
synth: 1
name: tales
axes: {hero: [baker, pilot]}
prompt: {user: "A {{hero}}."}
train: {user: "{{hero}}"}
"""


def parsed(text: str = GOOD, *sets: str) -> Recipe:
    return parse_recipe(text, Path("tales.yaml"), sets)


def refused(text: str, *sets: str) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        parsed(text, *sets)
    return caught.value


def said_of(text: str) -> str:
    """What is wrong with a text; the name of a good recipe's file."""
    try:
        recipe = parsed(text)
        recipe.generate.body()
        return str(recipe.path)
    except RecipeError as error:
        return error.message


def test_a_fault_of_a_set_names_it_and_no_line() -> None:
    text = "synth: 1\nname: x\naxes: {a: [b]}\nprompt: '{{a}}'\ntrain: {user: '{{a}}'}\ncurate: [refusal]\n"
    with pytest.raises(RecipeError, match=r"^--set generate\.max_tokns: unknown key 'max_tokns'"):
        parse_recipe(text, Path("x.yaml"), ["generate.max_tokns=5"])
    assert parse_recipe(text, Path("x.yaml"), ["curate=[{length: {min: 1}}]"]).at("curate", 0) == "--set curate"
    assert parse_recipe(text, Path("x.yaml")).at("curate", 0) == "x.yaml:6"


def test_the_specimen_of_the_design_and_the_shipped_recipes_are_recipes() -> None:
    specimen = load_recipe(ROOT / "tests" / "golden" / "specimen.yaml")
    assert (specimen.name, specimen.seed, specimen.sample.rows) == ("plots", 7, 396)
    assert [step.name for step in specimen.asks] == ["answer"]
    assert specimen.asks[0].salt
    shipped = sorted((ROOT / "templates").glob("*/recipe.yaml"))
    assert shipped
    for path in shipped:
        recipe = load_recipe(path)
        assert recipe.name == path.parent.name
        assert recipe.generate.model is None, "shipped recipes name no model"


def test_the_schema_takes_what_the_model_takes() -> None:
    import yaml

    schema = recipe_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in (ROOT / "tests" / "golden" / "specimen.yaml", *sorted((ROOT / "templates").glob("*/recipe.yaml"))):
        jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**yaml.safe_load(GOOD), "axis": {}}, schema)


def test_sugar() -> None:
    recipe = parsed(GOOD.replace('{user: "A {{hero}}."}', '"A {{hero}}."') + "curate: [refusal, {length: {min: 3}}]\n")
    assert recipe.asks[0].user == "A {{hero}}."
    assert recipe.axes["hero"].values == ["baker", "pilot"]
    assert [(item.name, item.options) for item in recipe.curate] == [("refusal", {}), ("length", {"min": 3})]


def test_nothing_is_sent_that_is_not_written() -> None:
    assert parsed().generate.body() == {}
    given = "temperature: 1, top_p: 1, max_tokens: 5, stop: [a], params: {logit_bias: {50256: -100}}"
    body = parsed(f"{GOOD}generate: {{{given}}}\n").generate.body()
    assert body == {"temperature": 1.0, "top_p": 1.0, "max_tokens": 5, "stop": ["a"], "logit_bias": {"50256": -100}}
    assert isinstance(body["temperature"], float), "1 and 1.0 are one question"


def test_values_keep_their_kind() -> None:
    assert parsed(GOOD.replace("[baker, pilot]", "[7, 1.5, true, no, 2026-11-21, '7', é]")).axes["hero"].values == [
        7, 1.5, True, False, "2026-11-21", "7", "é",
    ]


def test_a_time_of_day_is_a_text() -> None:
    """YAML 1.1 counts by sixties: 14:00 would be 840."""
    text = GOOD.replace("[baker, pilot]", "[14:00, 9:30, 1:2.5, -7, 0x10, .5, 1_000]")
    assert parsed(text).axes["hero"].values == ["14:00", "9:30", "1:2.5", -7, 16, 0.5, 1000]
    assert parse_recipe(GOOD, sets=("axes.hero=[14:00, 2]",)).axes["hero"].values == ["14:00", 2]


@pytest.mark.parametrize(("old", "new", "words"), [
    ('"A {{hero}}."', "{{hero}}", ["tales.yaml:4", "quotes"]),
    ('"A {{hero}}."', "{{hero}} bakes", ["tales.yaml:4", "quotes"]),
    ("[baker, pilot]", "[baker, null]", ["tales.yaml:3", "axes.hero", "null"]),
    ("[baker, pilot]", "[baker, .nan]", ["tales.yaml:3", "axes.hero"]),
    ("[baker, pilot]", "[[baker], pilot]", ["tales.yaml:3", "list", "baker"]),
    ("[baker, pilot]", "baker", ["tales.yaml:3", "axes.hero", "a list is wanted here"]),
    ("[baker, pilot]", "{values: [a, b], weights: [1]}", ["tales.yaml:3", "1 weights for 2 values"]),
    ("[baker, pilot]", "{values: [a, b], weights: [-1, 1]}", ["tales.yaml:3", "weights"]),
    ("[baker, pilot]", "{values: [a], file: b.txt}", ["tales.yaml:3", "exactly one"]),
    ("{hero: [baker, pilot]}", "[hero]", ["tales.yaml:3", "axes", "keys and values"]),
    ("hero:", "answer:", ["tales.yaml:3", "'answer'"]),
    ("hero:", "2x:", ["tales.yaml:3", "'2x'"]),
    ("name: tales", "name: ../tales", ["tales.yaml:2", "../tales"]),
    ("name: tales", "name: 7", ["tales.yaml:2", "quotes around 7"]),
    ("synth: 1", "synth: 2", ["tales.yaml:1", "synth"]),
    ("synth: 1\n", "", ["'synth' is missing", "\nsynth: 1"]),
    ("train: {user: \"{{hero}}\"}", "", ["'train' is missing", "\ntrain: {user: "]),
    ("[baker, pilot]", "[baker, pilot", ["tales.yaml:3: not YAML", "close the list with ]"]),
    ("train: {user: \"{{hero}}\"}", "train: {}", ["tales.yaml:5", "user"]),
    ("train:", "sample: {how: randm}\ntrain:", ["tales.yaml:5", "sample.how", "'random'"]),
    ("train:", "sample: {rows: many}\ntrain:", ["tales.yaml:5", "sample.rows", "'many'"]),
    ("train: {user: \"{{hero}}\"}", "train: {messages: m, user: x, assistant: y}",
     ["tales.yaml:5", "`user` and `assistant` would change nothing"]),
    ("train:", "export: {validation: 3}\ntrain:", ["tales.yaml:5", "less than 1 is wanted here, not 3"]),
    ("train:", "sample: {rows: 0}\ntrain:", ["tales.yaml:5", "1 or more is wanted here, not 0"]),
    ("train:", "export: {order: foo}\ntrain:", ["tales.yaml:5", "or 'shuffled' is wanted here, not 'foo'"]),
    ("train:", "generate: {temperature: hot}\ntrain:", ["tales.yaml:5", "a number", "'hot'"]),
    ("train:", "generate: {stop: 5}\ntrain:", ["tales.yaml:5", "generate.stop"]),
    ("train:", "generate: {params: {n: 5}}\ntrain:", ["tales.yaml:5", "params.n", "repeats"]),
    ("train:", "generate: {params: {model: x}}\ntrain:", ["tales.yaml:5", "params.model"]),
    ("train:", "generate: {params: {when: 2026-11-21}}\ntrain:", ["tales.yaml:5", "params.when", "quotes"]),
    ("train:", "generate: {params: {x: .inf}}\ntrain:", ["tales.yaml:5", "params.x"]),
    ("train:", "generate: {params: {x: {true: 1}}}\ntrain:", ["tales.yaml:5", "params.x", "True"]),
    ("train:", "curate: [{length: {min: 1}, refusal: {}}]\ntrain:", ["tales.yaml:5", "one plug-in per item"]),
    ("train:", "steps: [{name: a, user: b}]\ntrain:", ["tales.yaml:5", "`prompt` or `steps`"]),
    ('prompt: {user: "A {{hero}}."}', "steps: [{name: a, user: b}, {name: a, user: c}]", ["tales.yaml:4", "'a'"]),
    ('prompt: {user: "A {{hero}}."}', "steps: [{name: hero, user: b}]", ["tales.yaml:4", "'hero' names two things"]),
    ('prompt: {user: "A {{hero}}."}\n', "", ["tales.yaml:3", "`prompt`"]),
    ("train:", "? [a, b]\n: 3\ntrain:", ["tales.yaml:5", "key"]),
    ("train:", "name: two\ntrain:", ["tales.yaml:5", "'name' stands twice", "line 2"]),
    ("train:", "\x00train:", ["tales.yaml:5", "U+0000"]),
    ("train:", "seed: !!python/object/apply:os.system ['x']\ntrain:", ["tales.yaml:5", "not YAML"]),
    ("train:", "\ttrain:", ["tales.yaml:5", "tabs"]),
    ("train:", "---\ntrain:", ["tales.yaml:5", "not YAML"]),
    ("train:", "generat: {max_tokens: 5}\ntrain:", ["tales.yaml:5", "'generat'", "did you mean 'generate'?"]),
    ("train:", "generate: {max_token: 5}\ntrain:", ["tales.yaml:5", "'max_token'", "did you mean 'max_tokens'?"]),
    ("train:", "generat: {}\nexprot: {}\ntrain:",
     ["generat: did you mean 'generate'?", "exprot: did you mean 'export'?"]),
])
def test_faults_have_a_line_and_a_cure(old: str, new: str, words: list[str]) -> None:
    assert old in GOOD
    said = str(refused(GOOD.replace(old, new, 1)))
    for word in words:
        assert word in said, said


@pytest.mark.parametrize("text", ["", "- a\n", "just a text", "null", "[" * 3000, "a: &a [*a]\n"])
def test_what_is_no_recipe_at_all(text: str) -> None:
    assert "tales.yaml" in refused(text).message


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "aliases" in refused("\n".join(lines)).message


def test_all_faults_are_named_at_once() -> None:
    error = refused(GOOD.replace("name: tales", "name: 7") + "sample: {rows: 0, hw: random}\n")
    assert len(error.message.splitlines()) == 3
    assert error.exit_code == 2


@given(st.text(max_size=80))
def test_no_text_shows_a_traceback(text: str) -> None:
    for tried in (text, GOOD + text, GOOD.replace("baker", text)):
        assert "tales.yaml" in said_of(tried)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=5,
), st.sampled_from(["axes", "sample", "prompt", "train", "generate", "curate", "export", "where", "steps", "seed"]))
def test_no_value_of_a_section_shows_a_traceback(value: object, section: str) -> None:
    import yaml

    text = yaml.safe_dump({**yaml.safe_load(GOOD), section: value}, allow_unicode=True)
    assert said_of(text).startswith("tales.yaml")


@pytest.mark.parametrize(("override", "found"), [
    ("generate.max_tokens=200", {"max_tokens": 200}), ("generate.temperature=1", {"temperature": 1.0}),
    ("generate.params.x={a: [1]}", {"x": {"a": [1]}}), ("generate.stop='a=b'", {"stop": "a=b"}),
])
def test_overrides(override: str, found: dict) -> None:
    assert parsed(GOOD, override).generate.body() == found


@pytest.mark.parametrize(("override", "words"), [
    ("generate.max_token=5", ["'max_token'", "did you mean 'max_tokens'?"]), ("=3", ["a.b=value"]),
    ("generate", ["a.b=value"]), ("generate..x=3", ["a.b=value"]), ("axes.hero.0=x", ["'hero' is no section"]),
    ("axes.hero=[a", ["not YAML"]), ("generate=5", ["generate", "keys and values"]),
    ("generate.temperature=hot", ["generate.temperature", "'hot'"]),
])
def test_overrides_that_cannot_mean_anything(override: str, words: list[str]) -> None:
    said = str(refused(GOOD, override))
    for word in words:
        assert word in said, said


def test_files_beside_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "tales.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace('"A {{hero}}."', "ask.md").encode().replace(b"\n", b"\r\n"))
    recipe = load_recipe(path)
    assert recipe.at("axes", "hero") == "tales.yaml:3"
    assert recipe.at("axes", "nobody") == "tales.yaml:3"
    assert recipe.at("nothing") == "tales.yaml:1"
    (tmp_path / "ask.md").write_bytes(b"\xef\xbb\xbfA tale.\r\nOf {{hero}}.\r\n\r\n")
    assert recipe.template("ask.md") == "A tale.\nOf {{hero}}.\n"
    assert recipe.template("a text that ends in .md {{hero}}.md") == "a text that ends in .md {{hero}}.md"
    with pytest.raises(RecipeError, match=r"tales\.yaml:4: no file") as caught:
        recipe.template("aks.md", "prompt", "user")
    assert "ask.md" in caught.value.hint
    (tmp_path / "latin.md").write_bytes("é".encode("latin-1"))
    with pytest.raises(RecipeError, match="not UTF-8 at byte 0"):
        recipe.template("latin.md")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(RecipeError, match=r"folder\.md"):
        recipe.template("folder.md")


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "none.yaml")
    assert "synth init none" in caught.value.hint
    (tmp_path / "latin.yaml").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(RecipeError, match="not UTF-8"):
        load_recipe(tmp_path / "latin.yaml")
    with pytest.raises(RecipeError):
        load_recipe(tmp_path)


@pytest.mark.parametrize(("more", "hint"), [
    ("answer: {labels: [a, b]}", "'answer' belongs under prompt or steps"),
    ("max_tokens: 50", "'max_tokens' belongs under"),
    ("keep: 20", "'keep' belongs under sample"),
    ("exports: {}", "did you mean 'export'?"),
    ("nonsense: 1", "known: "),
])
def test_a_key_in_the_wrong_place_is_told_its_own(more: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parsed(GOOD + more + "\n")
    assert caught.value.hint.startswith(hint)
