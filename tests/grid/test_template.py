"""Templates: what they render, what they refuse, and how they say so."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RecipeError
from pipeline.grid.template import Condition, Template

WHERE = "plots.yaml:12"
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


def fault(text: str, context: dict | None = None, where: str = WHERE) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        Template(text, where).render(context or {})
    return caught.value


def assert_said(work: Callable[[], object]) -> None:
    """It works, or it raises a RecipeError that names the place, and nothing else."""
    said = WHERE
    try:
        work()
    except RecipeError as error:
        said = error.message
    assert said.startswith(WHERE)


def test_a_template_is_filled_and_nothing_else_is_changed() -> None:
    text = "  Genre: {{genre}}\nPlace: {{ place }}\n\nPLOT OUTLINE: \n"
    template = Template(text, WHERE)
    assert template.variables == {"genre", "place"}
    assert template.render({"genre": "crime & <mystery>", "place": "Île-de-France"}) == (
        "  Genre: crime & <mystery>\nPlace: Île-de-France\n\nPLOT OUTLINE: \n")


def test_jinja_is_there() -> None:
    template = Template("{% for b in beats if b %}{{ loop.index }}. {{ b|upper }}\n{% endfor %}{{ n + 1 }}", WHERE)
    assert template.variables == {"beats", "n"}
    assert template.render({"beats": ["hook", "", "end"], "n": 2}) == "1. HOOK\n2. END\n3"
    macro = "{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('a') ~ m(1) }}{{ ['a', y]|join('-') }}"
    assert Template(macro, WHERE).render({"y": "b"}) == "<a><1>a-b"
    assert Template("{{ fields['a b'] }} {{ fields.n }}", WHERE).render({"fields": {"a b": "x", "n": 1}}) == "x 1"


def test_json_is_written_for_a_model_not_for_a_web_page() -> None:
    assert Template("{{ x|tojson }}", WHERE).render({"x": {"b": "it's <é>", "a": [1, None]}}) == (
        '{"b": "it\'s <é>", "a": [1, null]}')


@given(ANY_TEXT)
def test_any_value_comes_out_as_it_went_in(value: str) -> None:
    assert Template("[{{ x }}]", WHERE).render({"x": value}) == f"[{value}]"


@given(ANY_TEXT)
@settings(max_examples=300)
def test_any_text_is_a_template_or_a_recipe_error(text: str) -> None:
    assert_said(lambda: Template(text, WHERE).render({}))


@given(st.text("{}%#-|.()[]'~x0 \n", max_size=30))
@settings(max_examples=500)
def test_any_scribble_of_jinja_is_a_template_or_a_recipe_error(text: str) -> None:
    assert_said(lambda: Template(text, WHERE).render({"x": "v"}))
    assert_said(lambda: Condition(text, WHERE).holds({"x": "v"}))


def test_an_unknown_name_is_said_with_the_nearest_one() -> None:
    error = fault("{{ plce }}", {"place": "France", "genre": "x"})
    assert error.message == "plots.yaml:12: 'plce' is not known here"
    assert error.hint == "did you mean 'place'?"
    assert "no 'colour' among color" in fault("{{ fields.colour }}", {"fields": {"color": 1}}).message


def test_lines_of_a_file_and_of_a_longer_text() -> None:
    assert fault("a\nb\n{{ oops }}", where="prompts/plot.md").message.startswith("prompts/plot.md:3: 'oops'")
    assert fault("a\n{{ oops }}").message.startswith("plots.yaml:12: line 2 of the template: 'oops'")
    assert fault("a\n{% if %}", where="p.md").message.startswith("p.md:2: ")


def test_null_is_not_written_as_a_word() -> None:
    assert "null" in fault("{{ title }}", {"title": None}).message
    assert Template("{{ title or '-' }}", WHERE).render({"title": None}) == "-"


@pytest.mark.parametrize("text", [
    "{{ 'a' * 10**9 }}", "{{ 10**(10**10) }}", "{{ [0] * 10**9 }}", "{{ 'a'.ljust(10**9) }}", "{{ 'a'|center(10**9) }}",
    "{{ '%999999999s' % 'a' }}", "{{ '%*s' % (999999999, 'a') }}", "{{ '{:999999999}'.format('a') }}",
    "{{ '{:{}}'.format('a', 999999999) }}", "{{ '%999999999d'|format(1) }}", "{{ 'a\n'|indent(10**9, true) }}",
    "{{ ('b' * 10**6).join(range(10000)) }}", "{{ ('x' * 10**6).replace('x', 'y' * 10**6) }}",
    "{{ ('x' * 10**6)|replace('x', 'y' * 10**6) }}", "{{ range(10**12)|list }}", "{{ {'a': 1}|tojson(10**9) }}",
    "{% for i in range(9999) %}{% for j in range(9999) %}{% for k in range(99) %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for i in range(9999) %}{% for j in range(9999) if false %}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=[1, 2]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "{% set a %}{% for i in range(9999) %}" + "x" * 999 + "{% endfor %}{% endset %}{{ a }}",
    "{% set a = 'x' * 10**6 %}{{ a }}{{ a }}{{ a }}", "{{ [1]|batch(10**9, 'x')|list }}", "{{ [1]|slice(10**9)|list }}",
    "{{ range(9999)|map('center', 10**6)|list|length }}",
])
def test_a_bomb_is_refused_in_a_moment(text: str) -> None:
    started = time.process_time()
    error = fault(text)
    assert error.message.startswith(WHERE)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("text", [
    "{{ ''.__class__ }}", "{{ ''['__class__'] }}", "{{ ''|attr('__class__') }}", "{{ x._private }}", "{{ x.pop() }}",
    "{{ '{0.__class__}'.format('') }}", "{{ x.format_map }}", "{{ '{a}'.format_map(d) }}", "{{ ''.encode() }}",
    "{{ (1).to_bytes(9, 'big') }}", "{{ self.__init__ }}", "{{ lipsum() }}", "{{ [1, 2]|random }}",
    "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{{ cycler.__init__.__globals__ }}",
    "{{ ' budget' | attr('x') }}", "{{ range.__self__ }}", "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
])
def test_what_reaches_out_is_refused(text: str) -> None:
    class Thing:
        _private = 1

    error = fault(text, {"x": Thing() if "_private" in text else [1], "d": {"a": 1}})
    assert error.message.startswith(WHERE)
    assert "Traceback" not in str(error)


def test_refusals_say_what_and_what_instead() -> None:
    assert "'__class__'" in fault("{{ ''.__class__ }}").message
    assert "range() of 1,000,000 numbers" in fault("{{ range(10**6) }}").message
    assert fault("{{ x|uper }}", {"x": ""}).hint == "did you mean 'upper'?"
    assert "run to run" in fault("{{ x|random }}", {"x": ""}).message
    assert "calls itself" in fault("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").message
    assert "include" in fault("{% include 'a' %}").message
    assert "ZeroDivisionError" in fault("{{ 1 // 0 }}").message


def test_a_template_that_loops_within_reason_passes() -> None:
    text = "{% for i in range(1000) %}{% for w in words %}{{ w }} {% endfor %}{% endfor %}"
    assert len(Template(text, WHERE).render({"words": ["alpha", "beta"] * 10})) == 1000 * 20 // 2 * 11


def test_a_large_row_passes_through_filters() -> None:
    text = "long text " * 100_000
    assert Template("{{ x|trim|upper|replace('LONG', 'SHORT') }}", WHERE).render({"x": text}).startswith("SHORT TEXT")


def test_rendering_leaves_no_trace_in_the_next_one() -> None:
    template = Template("{% for i in range(9000) %}x{% endfor %}", WHERE)
    assert {len(template.render({})) for _ in range(30)} == {9000}


def test_needed_and_printed_names() -> None:
    text = "{{ a }}{{ b|default('') }}{% if c is defined %}{{ c }}{% endif %}{% if d %}{{ d|trim }}{% endif %}"
    template = Template(text, WHERE)
    assert template.variables == {"a", "b", "c", "d"}
    assert template.needed == {"a", "d"}
    assert template.printed == {"a", "c", "d"}


# --- conditions


def test_a_condition_holds_or_not() -> None:
    condition = Condition("not (genre == 'high fantasy' and period == 'the 1920s')", WHERE)
    assert condition.variables == {"genre", "period"}
    assert condition.holds({"genre": "high fantasy", "period": "the 1960s"}) is True
    assert condition.holds({"genre": "high fantasy", "period": "the 1920s"}) is False
    assert Condition("place in ['France', 'Japan'] and n % 2 == 1", WHERE).holds({"place": "Japan", "n": 3})
    assert Condition("label and label != 'spam'", WHERE).holds({"label": ""}) is False


@pytest.mark.parametrize(("expression", "word"), [
    ("genre = 'x'", "=="), ("genre ==", "genre =="), ("genre == 'x' && place", "and"), ("{{ genre }}", "{{"),
    ("", "empty"), ("genre", "true or false"), ("'x'", "true or false"), ("n < 3", "'n'"), ("genre < 3", "genre < 3"),
    ("genre is sorta", "sorta"), ("genre | uper == 'X'", "upper"), ("genre == 'x' place", "place"),
    ("gnre == 'x'", "genre"),
])
def test_a_condition_that_means_nothing_is_a_recipe_error(expression: str, word: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Condition(expression, WHERE).holds({"genre": "crime", "place": "France"})
    assert caught.value.message.startswith(WHERE)
    assert word in str(caught.value)
