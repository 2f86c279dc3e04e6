"""What kind of text an answer is, told by form."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from pipeline.kinds import kind_of

CASES = [
    ("positive", "label"), ("New York City", "label"), ("", "label"), ("42", "label"),
    ("The capital of Australia is Canberra.", "prose"),
    ('{"name": "Ada", "born": 1815}', "json"), ("```json\n[1, 2]\n```", "json"), ('{"a": 1,}', "json"),
    ("def f(x):\n    y = x + 1\n    return y", "code"), ("Use this:\n```js\nconst a = 1;\n```", "code"),
    ("SELECT name FROM users\nWHERE id = 3;", "code"),
    ("1. Boil the water.\n2. Add the tea.\n3. Wait.", "list"), ("- eggs\n- flour\n- milk", "list"),
    ("| a | b |\n|---|---|\n| 1 | 2 |", "table"), ("name\tage\nAda\t36", "table"),
    ("Anna: Where were you?\nBen: At home.\nAnna: All night?", "dialogue"),
    ("Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\n"
     "Rough winds do shake the darling buds of May,\nAnd summer's lease hath all too short a date;", "verse"),
    ("A long day ended. The ship left at dawn, and nobody waved.\n\nOn the third day it came back without its captain, "
     "who had sold it to a man that nobody knew.", "prose"),
    # without spaces, lengths tell a label
    ("非常积极", "label"), ("アメリカ合衆国", "label"), ("กรุงเทพมหานคร", "label"), ("매우 긍정적", "label"),
    ("她周一去了学校但是却发现没有其他的同学", "prose"), ("她周一去了学校。", "prose"),
    ("แมวนอนอยู่บนเก้าอี้ตลอดทั้งวันโดยไม่ขยับ", "prose"),
    # prose that ends, or begins, as code does
    ("Considerando esencial promover el desarrollo de relaciones amistosas entre las naciones;", "prose"),
    ("UPDATE: After the developer answered, it appears that the app is right.", "prose"),
    ("If you care enough for the living, make a little space (and make it a better place).", "prose"),
    ("鉴于对人权的无视已发展为野蛮暴行,有必要使人权受法治的保护,", "prose"),
    # code that a comment opens, or whose comments outweigh it
    ('def greet(name):\n    """Print a greeting."""\n    # assert name is a string\n    print("Hello, " + name)',
     "code"),
    ("<!DOCTYPE html>\n<html>\n<title>News</title>\nSouth Korea on Monday announced\nsweeping reforms\n</html>",
     "code"),
    ("SELECT d.name FROM staff i JOIN dept d ON i.dept = d.name GROUP BY i.dept", "code"),
    ("x = 3, y = 2", "code"), ("#include <stdio.h>\nint main() {\n  return 0;\n}", "code"),
    # lists in one line, without a space behind the mark, of keys and values, and in Chinese
    ("China, the United States, and Brazil", "list"), ("Sports, Politics, Soccer, World News.", "list"),
    ("-Fruit: apples\n-Protein: fish\n-Grain: rice", "list"), ("1.打开软件\n2.点击设置\n3.保存", "list"),
    ("Food: $60 per day\nRental: $2100\nUtilities: $150", "list"), ("・りんご\n・みかん\n・ぶどう", "list"),
    ("And I couldn't, I couldn't walk, it hurt.", "prose"), ("红、黄、蓝、绿", "label"),
    # tables without outer bars, and of arrows
    ("Country | Continent\n------- | ------\nChina | Asia", "table"), ("Nippon -> Japan\nHokage -> None", "table"),
    # talk of two lines, of roles; and of names that come again
    ("User: How is the air in Beijing?\nBot: It is good today.", "dialogue"),
    ("问：天气怎么样？\n答：很好。\n问：明天呢？\n答：下雨。", "dialogue"),
    # three short lines: a haiku, and a joke
    ("The chill, worming in\nShock, pleasure, bursting within\nSummer tongue awakes", "verse"),
    ("Yesterday I ate a clock.\nIt was very time consuming.\nEspecially the seconds.", "prose"),
    ("床前明月光\n疑是地上霜\n举头望明月\n低头思故乡", "verse"),
    ("[Scene: a kitchen] She enters, he leaves, and the kettle goes on boiling.", "prose"),
]


@pytest.mark.parametrize(("text", "kind"), CASES)
def test_a_text_is_of_its_kind(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_real_text_is_of_its_kind(shared_data: Path) -> None:
    base = gzip.decompress((shared_data / "curation" / "base.jsonl.gz").read_bytes())
    read = [json.loads(line) for line in base.splitlines()]
    kinds = {key: Counter(kind_of(row["t"]) for row in read if row["k"] == key) for key in ("passage", "lang", "sent")}
    assert kinds["passage"] == {"prose": 5578}
    assert kinds["lang"] == {"prose": 1103}, "paragraphs in 20 languages"
    assert kinds["sent"]["prose"] > 0.995 * kinds["sent"].total()
    lines = (shared_data / "outlines" / "outlines.jsonl").read_text(encoding="utf-8").splitlines()
    outlines = [json.loads(line)["outline"] for line in lines]
    assert {kind_of(text) for text in outlines} == {"list"}
