"""Near-synonyms by form: what is found, what is left apart, and what no rule on letters can find."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alike import Alike, distinct, one_apart, stem


@pytest.mark.parametrize(("left", "right", "why"), [
    ("happy", "Happy", "case, accents or punctuation"),
    ("e-mail", "email", "case, accents or punctuation"),
    ("light-hearted", "lighthearted", "case, accents or punctuation"),
    ("crime & mystery", "crime and mystery", "case, accents or punctuation"),
    ("the café", "Cafe", "case, accents or punctuation"),
    ("card declined at a shop", "declined card at the shop", "the same words in another form"),
    ("worried", "worry", "the same words in another form"),
    ("happily", "happiness", "the same words in another form"),
    ("joyful", "joyous", "the same words in another form"),
    ("a short story", "short stories", "the same words in another form"),
    ("travelling alone", "travel alone", "the same words in another form"),
    ("to bake bread", "baking bread", "the same words in another form"),
    ("colour", "color", "one letter"),
    ("a traveller abroad", "a traveler abroad", "one letter"),
    ("dark historical crime fiction", "historical crime fiction", "3 of 4 words"),
])
def test_near(left: str, right: str, why: str) -> None:
    for first, second in ((left, right), (right, left)):
        kept, dropped = distinct([first, second])
        assert (kept, [(each.value, each.near, each.why) for each in dropped]) == ([first], [(second, first, why)])


@pytest.mark.parametrize(("left", "right"), [
    ("joyful", "happy"),  # takes a model or an embedding
    ("Iran", "Iraq"), ("Austria", "Australia"), ("Gambia", "Zambia"), ("Slovakia", "Slovenia"), ("Niger", "Nigeria"),
    ("the 1920s", "the 1930s"), ("version 1", "version 2"), ("1st century", "1st century BCE"),
    ("near future", "distant future"), ("high fantasy", "dark fantasy"), ("science fiction", "science fantasy"),
    ("a letter from a child to a parent", "a letter from a parent to a child"),
    ("a note by a nurse", "a note for a nurse"), ("coffee with sugar", "coffee without sugar"),
    ("login code arrives late by phone", "login code not arrives late by phone"),
    ("a first-time home buyer", "a second-time home buyer"), ("angry", "hungry"), ("Köln", "Kiel"),
    ("日本", "中国"), ("mother", "brother"), ("hopeful", "hopeless"), ("new", "old"),
])
def test_apart(left: str, right: str) -> None:
    assert distinct([left, right]) == ([left, right], [])
    assert distinct([right, left]) == ([right, left], [])


def test_a_word_that_ends_many_values_says_little() -> None:
    kinds = ["Fantasy", "Fantasy Films", "Horror Films", "Fan Films", "Prison Films", "Superhero Films"]
    kept, dropped = distinct(kinds)
    assert [str(each) for each in dropped] == ["'Fantasy Films' (near 'Fantasy': but for 'films', which ends 5 values)"]
    assert kept == [kind for kind in kinds if kind != "Fantasy Films"]
    assert distinct(kinds[:3])[1] == []
    shorter = distinct([kinds[1], kinds[0], *kinds[2:]])
    assert [(each.value, each.near) for each in shorter[1]] == [("Fantasy", "Fantasy Films")]


def test_values_that_are_there_are_compared_and_not_returned() -> None:
    kept, dropped = distinct(["PERU", "Chile", "chile", "Kenya"], ["Peru", "peru", "Japan"])
    assert kept == ["Chile", "Kenya"]
    assert [each.value for each in dropped] == ["PERU", "chile"]


@given(st.lists(st.text(max_size=30), max_size=12))
def test_any_text(values: list[str]) -> None:
    kept, dropped = distinct(values)
    assert len(kept) + len(dropped) == len(values)
    assert kept == [value for value in dict.fromkeys(values) if value in kept]
    assert distinct(kept)[0] == kept or set(distinct(kept)[0]) < set(kept)  # fewer values, other last words
    for each in dropped:
        assert each.near in kept
    known = Alike(values)
    for value in values:
        found = known.near(value)
        assert found is not None


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_one_apart_is_an_edit_distance_of_one(left: str, right: str) -> None:
    edits = {left[:i] + left[i + 1 :] for i in range(len(left))}
    edits |= {left[:i] + letter + left[i:] for i in range(len(left) + 1) for letter in "ab"}
    edits |= {left[:i] + letter + left[i + 1 :] for i in range(len(left)) for letter in "ab"}
    edits |= {left[:i] + left[i + 1] + left[i] + left[i + 2 :] for i in range(len(left) - 1)}
    assert one_apart(left, right) == (right in edits - {left})


@given(st.text(max_size=20))
def test_a_stem_is_a_word(word: str) -> None:
    assert bool(stem(word)) == bool(word)


def test_on_the_genres_of_a_real_list(shared_data: Path) -> None:
    lines = (shared_data / "synopses" / "lists" / "genres.txt").read_text().splitlines()
    kept, dropped = distinct(lines)
    assert len(lines) == 192
    found = {(each.value, each.near) for each in dropped}
    assert ("Science Fiction Films", "Science Fiction") in found
    assert ("Western Literature", "Westerns") in found
    assert ("Military and Warfare Films", "Military and Warfare") in found
    assert len(dropped) == 11
    assert {"Crime Fiction", "Crime Novel", "High Fantasy", "Low Fantasy", "Science Fantasy"} <= set(kept)
