"""Whether a piece of code can be parsed, by language; nothing is ever run, and no entity or tag of a text is followed.

A parser says what is wrong, empty where nothing is, None where it cannot be told: a text over `MOST` characters, one
nested too deep, syntax that is newer than the Python that runs this, a template's own marks.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
import tomllib
import warnings
from collections.abc import Callable
from xml.parsers import expat

from ..json_text import Unread, json_alone

MOST = 50_000
"""Characters of a block that is looked at."""
MOST_YAML = 20_000
"""... of YAML, of which libyaml takes the square of the length where all of it is nested: 0.3 s for so much."""
PYTHON_2 = "python 2"
_RUNS = f"{sys.version_info[0]}.{sys.version_info[1]}"
_PRINTED = re.compile(r"Missing parentheses in call to '(?:print|exec)'|multiple exception types must be parenthesized"
                      r"|leading zeros in decimal integer literals", re.IGNORECASE)
_OLD = re.compile(r"^\s*(?:print\s+[^(=\s]|exec\s+[\"']|raise\s+\w+\s*,)|<>|^\s*except\s+\w+\s*,\s*\w+\s*:",
                  re.MULTILINE)
_NEWER = re.compile(r"^\s*type\s+\w+(?:\[[^\]]*\])?\s*=|^\s*(?:async\s+)?(?:def|class)\s+\w+\[|\bt[\"']", re.MULTILINE)
_TEMPLATE = re.compile(r"\{\{|\{%|<%")
_TEXT, _LEFT_OUT = re.compile(r'"(?:\\.|[^"\\\n])*"'), re.compile(r"\.\.\.|…|//|/\*|^\s*#|<\w[^>\n]*>", re.MULTILINE)
_NESTED = re.compile(r"(?:[\[{]\s*){100}")
_PROMPT = re.compile(r"^(\s*)(>>>|\.\.\.)(?: |$)", re.MULTILINE)
_MAGIC = re.compile(r"^([ \t]*)(?:[%!]|\?\w)[^\n]*$", re.MULTILINE)
_ROOT = re.compile(r"\s*(?:<\?xml|<!DOCTYPE)", re.IGNORECASE)
_OPENS, _CLOSES = {"(": ")", "[": "]", "{": "}"}, ")]}"
_COMMENTS = r"//[^\n]*|/\*(?:.*?\*/|.*)"
_QUOTED = r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
_PATTERN = r"(?<=[(,=:\[!&|?{};])\s{0,9}/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n]){0,99}\]|[^/\\\n\[]){1,200}/"
_TOKENS = {
    "c": re.compile(rf"{_COMMENTS}|{_QUOTED}|[()\[\]{{}}]", re.DOTALL),
    "js": re.compile(rf"{_COMMENTS}|{_QUOTED}|`(?:\\.|[^`\\])*`|{_PATTERN}|[()\[\]{{}}]", re.DOTALL),
    "go": re.compile(rf"{_COMMENTS}|{_QUOTED}|`[^`]*`|[()\[\]{{}}]", re.DOTALL),
}


def parse(language: str, text: str) -> str | None:
    """What is wrong with a piece of code; `python 2: ...` where it is of that language.

    Args:
        language: as a fence names it.
        text: the code.

    Returns:
        Empty where nothing is wrong; None where the language is not known here, or nothing can be told.
    """
    known = PARSERS.get(language.casefold())
    return known[1](text) if known and len(text) <= MOST and text.strip() else None


def name_of(language: str) -> str:
    """What people call a language that a fence names: py is Python."""
    return PARSERS[language.casefold()][0]


def _python(text: str) -> str | None:
    code = textwrap.dedent(_shelled(text))
    try:
        _parsed(code)
        return ""
    except SyntaxError as error:
        told, line = error.msg or "", error.lineno
    except (ValueError, MemoryError, RecursionError):  # a zero byte, or nested too deep
        return None
    if _PRINTED.search(told) or (_OLD.search(code) and "invalid syntax" in told):
        return f"{PYTHON_2}: {told} (line {line})"
    newer = sys.version_info < (3, 12) and (_NEWER.search(code) or told.startswith("f-string"))
    if newer or _TEMPLATE.search(code) or "too many nested" in told:
        return None
    return f"{told} (line {line}, by Python {_RUNS})"


def _parsed(code: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes in texts
        ast.parse(code)


def _shelled(text: str) -> str:
    """What was typed of a session in a shell, and a notebook's own commands as nothing."""
    if _PROMPT.search(text) and ">>>" in text:
        text = "\n".join(line[found.end():] for line in text.splitlines() if (found := _PROMPT.match(line)))
    return _MAGIC.sub(r"\1pass", text)


def _json(text: str) -> str | None:
    """Also a value on each line. What leaves something out by three points, or has comments, is an excerpt."""
    if _is_json(text):
        return ""
    lines = [line for line in text.splitlines() if line.strip()]
    bare = _TEXT.sub('""', text)
    if all(map(_is_json, lines)) or _LEFT_OUT.search(bare) or _TEMPLATE.search(text):
        return "" if all(map(_is_json, lines)) else None
    try:
        json_alone(text)
    except Unread as unread:
        return str(unread).removeprefix("it is not JSON: ")
    return ""


def _is_json(text: str) -> bool:
    try:
        json_alone(text)
    except Unread:
        return False
    return True


def _yaml(text: str) -> str | None:
    import yaml

    if _TEMPLATE.search(text) or _NESTED.search(text) or len(text) > MOST_YAML:
        return None
    try:
        for _ in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            pass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return f"{getattr(error, 'problem', None) or 'no YAML'}{f' (line {mark.line + 1})' if mark else ''}"
    except RecursionError:
        return None
    return ""


def _toml(text: str) -> str | None:
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError) as error:
        return str(error)
    except RecursionError:
        return None
    return ""


class _Declares(Exception):
    """A text declares entities, which are not followed."""


def _xml(text: str) -> str | None:
    def refuse(*_: object) -> None:
        raise _Declares

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = refuse
    whole = text.strip() if _ROOT.match(text) else f"<r>{text}</r>"
    try:
        parser.Parse(re.sub(r"encoding=[\"'][^\"']*[\"']", "", whole, count=1) if _ROOT.match(text) else whole, True)
    except _Declares:
        return None
    except UnicodeEncodeError:
        return None
    except expat.ExpatError as error:
        return None if _TEMPLATE.search(text) else f"{expat.ErrorString(error.code)} (line {error.lineno})"
    return ""


def _balanced(marks: str) -> Callable[[str], str | None]:
    """Whether brackets are closed in their order, texts and comments aside; where lines are left out by a condition of
    the preprocessor, it cannot be told."""
    def look(text: str) -> str | None:
        if re.search(r"^\s*#\s*(?:if|else|elif)", text, re.MULTILINE):
            return None
        open_: list[tuple[str, int]] = []
        for found in _TOKENS[marks].finditer(text):
            mark = found[0]
            if mark in _OPENS:
                open_.append((mark, found.start()))
            elif mark in _CLOSES:
                if not open_ or _OPENS[open_[-1][0]] != mark:
                    return f"'{mark}' closes nothing (line {_line(text, found.start())})"
                open_.pop()
        return f"'{open_[-1][0]}' is not closed (line {_line(text, open_[-1][1])})" if open_ else ""
    return look


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


_NAMES: dict[str, Callable[[str], str | None]] = {
    "Python python py python3 py3 pycon": _python, "JSON json": _json, "YAML yaml yml": _yaml, "TOML toml": _toml,
    "XML xml svg": _xml, "C c h": _balanced("c"), "C++ c++ cpp cc hpp": _balanced("c"), "Java java": _balanced("c"),
    "JavaScript javascript js node mjs": _balanced("js"), "TypeScript typescript ts": _balanced("js"),
    "Go go golang": _balanced("go"),
}
PARSERS = {alias: (names.split()[0], parser) for names, parser in _NAMES.items() for alias in names.split()[1:]}
"""What a fence may name -> the language's name, and its parser. JSX, Rust ('a), C# (@"") and shells are not here:
brackets and quotes stand alone in them."""
