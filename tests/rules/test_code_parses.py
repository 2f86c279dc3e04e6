"""The rule `code_parses`: code that no parser takes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from pipeline.rules._parsers import MOST, parse
from tests.rules.rows import judged, row


def fenced(code: str, language: str = "") -> str:
    return f"Here it is:\n\n```{language}\n{code}\n```\n\nThat is all."


@pytest.mark.parametrize(("language", "code"), [
    ("python", "def f(x):\n    return x"), ("py", "    x = 1\n    y = 2"), ("python", "x = '\\d'"),
    ("Python", "def f(): ..."), ("python", ">>> f(1)\n2\n>>> for i in x:\n...     f(i)\n1"),
    ("python", "%matplotlib inline\n!pip install x\nimport x"), ("python", "await f()"), ("json", '{"a": [1, 2]}'),
    ("json", '{"a": 1}\n{"a": 2}'), ("yaml", "a: !Ref b\nc: [d, e]"), ("toml", "[a]\nb = 1"),
    ("xml", "<a/><b c='d'>e</b>"), ("xml", "<?xml version='1.0' encoding='utf-16'?>\n<a>ü</a>"),
    ("js", "const a = `}${b}`; // }\nif (/[)}]/.test(a)) { f('}') }"), ("java", "class A { char c = '{'; /* } */ }"),
    ("go", "func main() {\n\ts := `{`\n}"), ("cpp", 'int main() { return "("[0]; }'),
])
def test_what_can_be_parsed(language: str, code: str) -> None:
    assert judged("code_parses", row(fenced(code, language))).value == "holds"


@pytest.mark.parametrize(("language", "code", "reason"), [
    ("python", "def f(x)\n    return x", "cannot be parsed: Python: expected ':' (line 1, by Python 3."),
    ("python", "print 'x'", "Python 2: Missing parentheses in call to 'print'. Did you mean print(...)? (line 1)"),
    ("python", "try:\n    f()\nexcept E, e:\n    pass", "Python 2: multiple exception types must be parenthesized"),
    ("python", "if a <> b:\n    pass", "Python 2: invalid syntax (line 1)"),
    ("json", '{"a": 1,}', "cannot be parsed: JSON: Expecting property name"),
    ("json", '{"a": 1, "a": 2}', "cannot be parsed: JSON: the key 'a' stands twice"),
    ("yaml", "a: [b", "cannot be parsed: YAML: did not find expected ',' or ']' (line "),
    ("toml", "a = ", "cannot be parsed: TOML: Invalid value"),
    ("xml", "<a><b></a>", "cannot be parsed: XML: mismatched tag (line 1)"),
    ("js", "f(function () {\n  g();\n}", "cannot be parsed: JavaScript: '(' is not closed (line 1)"),
    ("java", "class A {\n}\n}", "cannot be parsed: Java: '}' closes nothing (line 3)"),
])
def test_what_cannot(language: str, code: str, reason: str) -> None:
    answer = fenced(code, language)
    found = judged("code_parses", row(answer))
    assert (found.outcome, found.reason[: len(reason)]) == ("flag", reason)
    assert found.span is not None
    assert answer[slice(*found.span)] == f"{code}\n"


@pytest.mark.parametrize(("language", "code"), [
    ("bash", "if [ x"), ("sql", "SELECT ("), ("rust", "fn f<'a>("), ("html", "<p>a<br>"), ("", "SELECT ("),
    ("json", '{"a": 1, ...}'), ("json", '{"a": 1} // all'), ("yaml", "a: {{ b }}"), ("python", "x = {{ y }} z"),
    ("c", "#ifdef A\nvoid f() {\n#else\nvoid g() {\n#endif\n}"), ("xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    ("python", "(" * 300), ("python", "type A[T] = list[T] if"), ("json", "[" * 10 + " " * MOST),
])
def test_what_cannot_be_told_is_passed_over(language: str, code: str) -> None:
    assert judged("code_parses", row(fenced(code, language))).outcome == "not_applicable"


def test_an_answer_that_is_code_as_a_whole() -> None:
    assert judged("code_parses", row("import os\n\ndef f(:\n    return os.x(1)")).outcome == "flag"
    assert judged("code_parses", row("import os\n\ndef f():\n    return os.x(1)")).value == "holds"
    assert judged("code_parses", row("var a = f(1;\nvar b = g(2);\nvar c = 3;")).outcome == "not_applicable"
    assert judged("code_parses", row("He said that he would (never) come.")).outcome == "not_applicable"


def test_bounds_and_the_worst_of_several_blocks() -> None:
    both = row(f"{fenced('print 1', 'python')}\n\n{fenced('def f(', 'python')}")
    assert judged("code_parses", both, act="drop").outcome == "drop"
    old = row(fenced("print 1", "python"))
    assert judged("code_parses", old, act="drop").outcome == "flag"
    assert judged("code_parses", old, python_2="keep").outcome == "keep"


@pytest.mark.parametrize("text", [
    "(" * MOST, "{" * MOST, "[" * MOST, "-" * (MOST - 1) + "1", "not " * (MOST // 4 - 1) + "x", "`" * MOST, "'" * MOST,
    "a if b else " * (MOST // 12 - 1) + "c", "x" + "[0]" * (MOST // 3 - 1), "/" * MOST, "a: " * (MOST // 3),
    "<a>" * (MOST // 3), "&a [" * (MOST // 4), "/*" * (MOST // 2), "=/" * (MOST // 2), "\\" * MOST, "- " * (MOST // 2),
    "if a: pass\n" + "elif b: pass\n" * 3800, '"a' * (MOST // 2), "(/[" * (MOST // 3), "<!ENTITY" * (MOST // 8),
])
def test_hostile_code_takes_little_time(text: str) -> None:
    started = process_time()
    for language in ("python", "json", "yaml", "toml", "xml", "js", "java", "go"):
        parse(language, text)
    judged("code_parses", row(text))
    judged("code_parses", row(fenced(text)))
    assert process_time() - started < 3


def test_real_code(shared_data: Path) -> None:
    """OpenAI's own examples: 155 of Python and 28 of Go and Java hold, and 147 of 148 of JavaScript; the other one ends
    in a brace that closes nothing."""
    yaml = pytest.importorskip("yaml")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (shared_data / "openai" / "openapi.yaml").read_text(encoding="utf-8")
    found: Counter[tuple[str, bool | None]] = Counter()

    def walk(value: Any, key: str = "") -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, str(name))
        elif isinstance(value, list):
            for inner in value:
                walk(inner, key)
        elif key in ("python", "javascript", "go", "java") and isinstance(value, str) and "\n" in value:
            told = parse(key, value)
            found[key, None if told is None else told == ""] += 1

    walk(yaml.load(text, Loader=loader))
    assert found == {("python", True): 155, ("javascript", True): 147, ("javascript", False): 1, ("go", True): 14,
                     ("java", True): 14}
    flagged = []
    for line in (shared_data / "seed-tasks" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines():
        task = json.loads(line)
        if judged("code_parses", row(task["instances"][0]["output"], task["instruction"])).outcome == "flag":
            flagged.append(task["id"])
    assert flagged == ["seed_task_28"], "its docstring is not indented"
