"""The rehearsal: equal for equal bodies, different for different ones, with the lengths and faults that it states."""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.digest import call_id
from pipeline.engine.protocol import CallFailed
from pipeline.providers._grammar import VALUES, Dice, Writer, banks
from pipeline.providers._stories import GENRES, genre_of, plot, themes_in
from pipeline.providers.rehearsal import FAULTS, Rehearsal
from pipeline.types import CallRequest

GENRE = ["romance & comedy", "crime & mystery", "action & adventure", "high fantasy", "science fiction",
         "horror & thriller"]
TONE = ["cerebral & suspenseful", "heartwarming & lighthearted", "tragic & heartwrenching"]
PLACE = ["France", "Japan", "England", "America", "South Africa", "India", "China", "Egypt", "Italy"]
PERIOD = ["the Renaissance", "the 1920s", "the 1960s", "the 1990s", "the near future", "the distant future"]
CELLS = [dict(zip(("genre", "modifier", "place", "period"), values))
         for values in itertools.product(GENRE, TONE, PLACE, PERIOD)]


def prompt_of(cell):
    return (f"Imagine a plot outline for a {cell['genre']} film set in {cell['place']} during {cell['period']}. "
            f"The story should be {cell['modifier']}.")


def asked(text, cell=None, *, before=(), repeat=0, **parameters):
    body = Rehearsal().body("rehearsal", [*before, {"role": "user", "content": text}], parameters)
    return CallRequest(call_id("rehearsal", "chat", body, repeat), "rehearsal", body, repeat,
                       hints={"cell": cell} if cell else {})


async def answer(request, provider=None):
    provider = provider or Rehearsal()
    try:
        return await provider.ask(request)
    except CallFailed:  # the rehearsed rate limit: the next try is answered
        return await provider.ask(request)


async def text_of(text, cell=None, **more):
    """The first answer without a fault, over repeats."""
    for repeat in range(9):
        got = await answer(asked(text, cell, repeat=repeat, **more))
        content = got.message["content"] or ""
        if got.finish_reason == "stop" and len(content) > 0 and "sorry" not in content.lower()[:40]:
            return content
    raise AssertionError("nine faults in a row")


@pytest.fixture(scope="module")
def plots():
    """(cell, answer) for all 972 cells, and how long 396 of them took."""
    import asyncio

    async def go():
        provider = Rehearsal()
        started = time.process_time()
        rows, took = [], 0.0
        for cell in CELLS:
            rows.append((cell, await answer(asked(prompt_of(cell), cell, max_tokens=1000), provider)))
            if len(rows) == 396:
                took = time.process_time() - started
        return rows, took

    return asyncio.run(go())


def content(got):
    return got.message["content"] or ""


def test_fast(plots):
    assert plots[1] < 2.0


async def test_equal_bodies_get_equal_answers_and_repeats_differ():
    one, two = asked(prompt_of(CELLS[0]), CELLS[0]), asked(prompt_of(CELLS[0]), CELLS[0])
    assert await answer(one) == await answer(two)
    texts = {content(await answer(asked(prompt_of(CELLS[0]), CELLS[0], repeat=repeat))) for repeat in range(20)}
    assert len(texts) >= 18


def test_lengths_are_spread_and_half_reach_a_kilobyte(plots):
    sizes = sorted(len(content(got).encode()) for _, got in plots[0])
    share = sum(size >= 1024 for size in sizes) / len(sizes)
    assert 0.45 < share < 0.58
    assert sizes[len(sizes) // 10] < 650
    assert sizes[len(sizes) * 9 // 10] > 1600


def test_plots_follow_their_cell(plots):
    told = [(cell, content(got)) for cell, got in plots[0] if len(content(got)) > 300]
    for axis, least in (("place", 0.8), ("period", 0.6), ("modifier", 0.5), ("genre", 0.2)):
        named = sum(cell[axis].replace(" & ", " and ") in text for cell, text in told) / len(told)
        assert least < named < 0.99, axis


def test_ordinary_plots_are_far_from_each_other(plots):
    texts = [content(got) for _, got in plots[0] if len(content(got)) > 300][::3]

    def shingles(text):
        words = text.lower().split()
        return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}

    sets = [shingles(text) for text in texts]
    near = sorted(len(a & b) / len(a | b) for a, b in itertools.combinations(sets, 2))
    assert near[int(len(near) * 0.999)] < 0.15


def test_faults_show_in_their_shares(plots):
    rows = [got for _, got in plots[0]]
    seen = Counter()
    for got in rows:
        text = content(got)
        seen["refusal_field"] += got.message.get("refusal") is not None
        seen["refusal"] += bool(text) and len(text) < 130 and bool(re.search(r"sorry|unable|cannot|not able", text))
        seen["cut"] += got.finish_reason == "length"
        seen["empty"] += text == "" and not got.message.get("refusal")
        sentences = re.split(r"(?<=[.!?])\s+", text)
        seen["loop"] += len(sentences) > 5 and len(set(sentences[-5:])) == 1
    for fault in ("refusal", "refusal_field", "cut", "loop", "empty"):
        expected = FAULTS[fault] * len(rows)
        assert expected / 3 <= seen[fault] <= expected * 3, (fault, seen)
    assert all(got.usage.output_tokens == 1000 for got in rows if got.finish_reason == "length")
    assert sum(FAULTS.values()) < 0.12
    copies = Counter(content(got) for got in rows if len(content(got)) > 300)
    assert 1 <= sum(count - 1 for count in copies.values()) <= 20


async def test_a_rate_limit_comes_once_and_then_the_answer():
    provider, refused = Rehearsal(), []
    for number in range(1500):
        request = asked(f"a plot, number {number}")
        try:
            await provider.ask(request)
        except CallFailed as error:
            refused.append((error.failure.kind, error.failure.status))
            assert (await provider.ask(request)).message
    assert set(refused) == {("rate_limit", 429)}
    assert len(refused) <= 25


async def test_max_tokens_is_kept_to_and_said():
    for name in ("max_tokens", "max_completion_tokens"):
        got = [await answer(asked(prompt_of(CELLS[5]), CELLS[5], repeat=repeat, **{name: 20})) for repeat in range(9)]
        assert all(len(content(one).encode()) <= 80 for one in got)
        cut = [one for one in got if one.finish_reason == "length"]
        assert len(cut) > 5
        assert {one.usage.output_tokens for one in cut} == {20}


async def test_any_axis_is_woven_in():
    cell = {"genre": "western", "hero": "Ada Quill", "weapon": "a brass kettle", "town_size": 412}
    text = await text_of("Write a plot.", cell)
    assert all(word in text for word in ("Ada Quill", "a brass kettle", "412"))
    ticket = await text_of("Write a support ticket.", {"product": "the card reader", "issue": "double billing"})
    assert "card reader" in ticket
    assert "double billing" in ticket
    alone = await text_of("Explain photosynthesis to a child.")
    assert "photosynthesis" in alone


async def test_a_text_is_lengthened_and_holds_what_it_held():
    given_text = await text_of("Write a plot in four sentences.", CELLS[3])
    ask = f"The plot below is too short. Expand it to at least 1,500 bytes.\n\n{given_text}"
    sizes = []
    for repeat in range(30):
        got = content(await answer(asked(ask, CELLS[3], repeat=repeat)))
        if len(got) > len(given_text) and "sorry" not in got.lower()[:60]:
            sizes.append(len(got.encode()))
            for sentence in re.split(r"(?<=[.!?])\s+", given_text):
                assert sentence in got
    assert len(sizes) > 20
    assert sum(size >= 1500 for size in sizes) > 0.8 * len(sizes)
    text = "Anna Miller lost a dog. It came."
    before = [{"role": "user", "content": "A plot."}, {"role": "assistant", "content": text}]
    longer = await text_of("Too short: write it again, longer.", before=before)
    assert longer.startswith("Anna Miller lost a dog.")
    assert longer.endswith("It came.")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("Is it positive? Answer with one of: positive, negative, neutral.", {"positive", "negative", "neutral"}),
        ("Choose between 'spam' or 'ham'. Reply with just the label.", {"spam", "ham"}),
        ("Is this a plot? Answer yes or no.", {"Yes", "No"}),
        ("Rate the text on a scale of 1 to 5. Answer with only the number.", {"1", "2", "3", "4", "5"}),
    ],
)
async def test_short_answers(text, allowed):
    got = {content(await answer(asked(text, repeat=repeat))) for repeat in range(60)}
    assert got == allowed


async def test_lists_titles_and_sentences():
    assert len((await text_of("List 8 places, one per line.")).splitlines()) == 8
    assert len((await text_of("Give it a title.")).split()) < 9
    assert (await text_of("Write a one-sentence premise for a film.", CELLS[8])).count("\n") == 0


async def test_json_by_schema():
    schema = {"type": "object", "properties": {
        "name": {"type": "string"}, "age": {"type": "integer", "minimum": 18, "maximum": 20}, "ok": {"type": "boolean"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2},
        "end": {"anyOf": [{"type": "null"}, {"type": "number"}]}}}
    for repeat in range(20):
        got = await answer(asked("Fill it in.", repeat=repeat, response_format={
            "type": "json_schema", "json_schema": {"name": "x", "schema": schema}}))
        value = orjson.loads(content(got))
        assert value.keys() == schema["properties"].keys()
        assert 18 <= value["age"] <= 20
        assert len(value["tags"]) >= 2
        assert set(value["tags"]) <= {"a", "b"}
    bare = await answer(asked("Answer as JSON.", response_format={"type": "json_object"}))
    assert isinstance(orjson.loads(content(bare)), dict)


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.dictionaries(names, names | st.integers() | st.booleans(), max_size=5),
       st.integers(1, 3000))
async def test_nothing_that_is_asked_breaks_it(text, cell, limit):
    got = await answer(asked(text, cell, max_tokens=limit))
    assert isinstance(got.message["content"], str | None)
    assert got.usage.output_tokens <= limit
    assert not set("\x01\x02\x03") & (set(content(got)) - set(text) - set("".join(map(str, cell.values()))))


def test_every_slot_of_the_grammar_leads_somewhere():
    known = banks()
    assert sum(len(lines) for lines in known.values()) > 1000
    variants = {"genre": [*GENRES, "drama"], "period": ["ancient", "modern", "recent", "future"]}
    for name, lines in known.items():
        assert len({line.parts for line in lines}) == len(lines), f"[{name}] says something twice"
        for line in lines:
            for part in line.parts:
                if isinstance(part, str):
                    assert "{" not in part
                    assert "}" not in part
                elif part[0] not in VALUES:
                    wanted = [f"{part[0]}.{v}" for v in variants[part[1]]] if part[1] else [part[0]]
                    assert set(wanted) <= set(known), f"[{name}]: {part}"


def test_genres_themes_and_dice():
    assert [genre_of(name) for name in GENRE] == ["romance", "crime", "action", "fantasy", "scifi", "horror"]
    assert genre_of("a cookbook") == "drama"
    assert themes_in('Write a story about "blue glass" and penguins') == ["blue glass", "penguins"]
    dice = Dice(7)
    draws = [dice.below(10) for _ in range(10000)]
    assert min(Counter(draws).values()) > 850
    assert Writer(Dice(1), {}, {}).some("noun", 5) == Writer(Dice(1), {}, {}).some("noun", 5)
    assert plot(Dice(3), CELLS[0], "plot") == plot(Dice(3), CELLS[0], "plot")
