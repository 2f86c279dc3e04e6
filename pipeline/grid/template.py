"""A template and a condition of a recipe: compiled once, and every fault with its place and line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import UndefinedError
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser

from ..errors import RecipeError, did_you_mean
from .sandbox import BUDGET, Budget, Sandbox, metered, sandbox

_NO_SUCH = re.compile(r"No (filter|test) named '(.*?)'")
_ASKING = ("default", "d", "defined", "undefined")
_BRACES = "variables stand in braces, as {{genre}}; literal braces as {{ '{{' }}"
_CHANCE = {"random": "would differ from run to run: what varies is an axis"}


class Part(NamedTuple):
    """A constant part of a variable that a template names, as `fields['col name']`."""

    variable: str
    key: str
    line: int
    optional: bool


class Template:
    """Text with Jinja in it.

    Args:
        text: the template.
        where: its place, as `plots.yaml:12`, or a file's path when the whole file is the template.

    Attributes:
        variables: the names that it takes from its context.
        needed: those that it cannot do without (no `default`, no `is defined`).
        printed: those that it writes out as they are, so that null cannot stand for them.
        lines: name -> 1-based line of its first use.
        parts: what it names of `fields` and `cell`.
        whole: names that it takes otherwise than by such parts, as `cell` in `cell.items()`.

    Raises:
        RecipeError: it is not a template, or asks for what the sandbox does not have.
    """

    def __init__(self, text: str, where: str) -> None:
        self.text, self.where = text, where
        environment = sandbox()
        try:
            tree = environment.parse(text)
            self.variables = _variables(environment, tree)
            self.lines = {node.name: node.lineno for node in reversed(list(tree.find_all(nodes.Name)))}
            optional = frozenset(_guarded(tree))
            self.needed = self.variables - optional
            written = {node.name for node in printed(tree) if isinstance(node, nodes.Name)}
            self.printed = frozenset(written) & self.variables
            self.parts = tuple(_parts(tree))
            used = Counter(node.name for node in tree.find_all(nodes.Name))
            used.subtract(part.variable for part in self.parts)
            self.whole = frozenset(name for name in self.variables if used[name] > 0)
            self._compiled = environment.from_string(metered(environment, tree))
            self._globals = dict(self._compiled.globals)
        except Exception as error:
            raise _fault(error, text, where, None) from None

    def render(self, context: Mapping[str, Any]) -> str:
        """The text, filled.

        Args:
            context: name -> value; values are texts, numbers, truth values, None, lists and mappings.

        Raises:
            RecipeError: an unknown name, or anything that goes wrong in it, with the line.
        """
        try:
            variables = {**self._globals, **context, BUDGET: Budget()}
            return "".join(self._compiled.root_render_func(self._compiled.new_context(variables, shared=True)))
        except Exception as error:
            raise _fault(error, self.text, self.where, context, self.variables) from None

    def place(self, line: int) -> str:
        """`prompts/plot.md:3`, or `plots.yaml:12: line 3 of the template`."""
        return _place(self.where, line, self.text)


class Condition:
    """A Jinja expression that is true or false of a cell or a row.

    Args:
        expression: as `not (genre == 'high fantasy' and period == 'the 1920s')`.
        where: its place, as `plots.yaml:7`.

    Attributes:
        variables: the names that it takes from its context.
        needed: those that it cannot do without (no `default`, no `is defined`).
        parts: what it names of `fields` and `cell`.

    Raises:
        RecipeError: it is not an expression.
    """

    def __init__(self, expression: str, where: str) -> None:
        self.expression, self.where = expression, where
        environment = sandbox()
        if not expression.strip():
            raise RecipeError(f"{where}: an empty condition", "genre == 'crime & mystery'")
        try:
            node = _parse_expression(environment, expression)
            tree = nodes.Template([nodes.Output([node])], lineno=1).set_environment(environment)
            self.variables = _variables(environment, tree)
            self.needed = self.variables - frozenset(_guarded(tree))
            self.parts = tuple(_parts(tree))
            assign = nodes.Assign(nodes.Name("result", "store"), node, lineno=1)
            body = metered(environment, nodes.Template([assign], lineno=1))
            self._compiled = TemplateExpression(environment.from_string(body), undefined_to_none=False)
        except Exception as error:
            raise self._fault(error, None) from None

    def holds(self, context: Mapping[str, Any]) -> bool:
        """True where the expression is true.

        Empty texts and lists, 0 and None count as false, so that `label and label != 'spam'` works; any other
        value than true or false is a fault, since such a condition would let everything pass.

        Raises:
            RecipeError: an unknown name, a comparison of text with number, no truth value.
        """
        try:
            value = self._compiled({**context, BUDGET: Budget()})
            if isinstance(value, bool):
                return value
            if not value:
                return False
        except Exception as error:
            raise self._fault(error, context) from None
        message = f"{self.where}: the condition {self.expression!r} gives {_short(value)}, not true or false"
        raise RecipeError(message, "compare it, as: genre == 'crime & mystery'")

    def _fault(self, error: Exception, context: Mapping[str, Any] | None) -> RecipeError:
        fault = _fault(error, self.expression, self.where, context, getattr(self, "variables", frozenset()))
        said = fault.message.removeprefix(f"{self.where}: ").replace("cannot be read as a template: ", "")
        hint = self._cure() if fault.hint == _BRACES else fault.hint
        return RecipeError(f"{self.where}: the condition {self.expression!r}: {said}", hint)

    def _cure(self) -> str:
        text = self.expression
        if "{{" in text or "{%" in text:
            return "an expression stands without {{ }}"
        if "&&" in text or "||" in text or re.search(r"!(?!=)", text):
            return "write and, or, not"
        if re.search(r"(?<![=!<>])=(?!=)", text):
            return "compare with =="
        return "as: genre == 'crime & mystery' and not place in ['France', 'Japan']"


def _parse_expression(environment: Sandbox, text: str) -> nodes.Expr:
    parser = Parser(environment, text, state="variable")
    node = parser.parse_expression()
    if not parser.stream.eos:
        token = parser.stream.current
        raise TemplateSyntaxError(f"cannot be read from {str(token.value)!r} on", token.lineno)
    return node.set_environment(environment)  # type: ignore[return-value]


def _variables(environment: Sandbox, tree: nodes.Node) -> frozenset[str]:
    names = find_undeclared_variables(tree)  # type: ignore[arg-type]
    return frozenset(names) - frozenset(environment.globals)


def _guarded(tree: nodes.Node) -> Iterator[str]:
    """Names that a template asks after before it uses them."""
    asking: Any = tree.find_all((nodes.Filter, nodes.Test))
    for node in asking:
        if node.name in _ASKING and isinstance(node.node, nodes.Name):
            yield node.node.name


def printed(tree: nodes.Node) -> Iterator[Any]:
    """The nodes whose value a template writes out, as it is or through filters that null does not pass."""
    for output in tree.find_all(nodes.Output):
        for node in output.nodes:
            inner: Any = node
            while isinstance(inner, nodes.Filter) and inner.name not in ("default", "d"):
                inner = inner.node
            yield inner


def _parts(tree: nodes.Node) -> Iterator[Part]:
    asking: Any = tree.find_all((nodes.Filter, nodes.Test))
    optional = {id(node.node) for node in asking if node.name in _ASKING}
    found: Any = tree.find_all((nodes.Getattr, nodes.Getitem))
    for node in found:
        if not isinstance(node.node, nodes.Name):
            continue
        key = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
        if isinstance(key, str) and not (isinstance(node, nodes.Getattr) and hasattr(dict, key)):
            yield Part(node.node.name, key, node.lineno, id(node) in optional)


def _place(where: str, line: int, text: str) -> str:
    if not re.search(r":\d+$", where):
        return f"{where}:{line}"
    return f"{where}: line {line} of the template" if "\n" in text.rstrip("\n") else where


def _fault(
    error: Exception, text: str, where: str, context: Mapping[str, Any] | None, names: frozenset[str] = frozenset()
) -> RecipeError:
    """A fault of a template, in a sentence with its place."""
    line = error.lineno if isinstance(error, TemplateSyntaxError) else _line_of(error.__traceback__)
    place = _place(where, min(line or 1, text.count("\n") + 1), text)
    said, hint = _said(error), ""
    if isinstance(error, TemplateError) and (found := _NO_SUCH.search(said)):
        kind, name = found.groups()
        known = (sandbox().filters if kind == "filter" else sandbox().tests).keys()
        hint = did_you_mean(name, sorted(other for other in known if not other.startswith(" ")))
        said = f"{kind} '{name}' {_CHANCE[name]}" if name in _CHANCE else f"there is no {kind} '{name}'"
    elif isinstance(error, TemplateSyntaxError):
        said = f"cannot be read as a template: {said.replace('end of template', 'end')}"
        hint = _BRACES
    elif isinstance(error, UndefinedError) and context is not None:
        unknown = next((name for name in sorted(names) if name not in context and f"'{name}'" in said), None)
        hint = did_you_mean(unknown, [name for name in context if name.isidentifier()]) if unknown else ""
    return RecipeError(f"{place}: {said}", hint)


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it calls itself without end, or is nested too deeply"
    if isinstance(error, TemplateError):
        return (error.message or type(error).__name__).rstrip(".")
    return f"{type(error).__name__}: {error}"


def _line_of(traceback: TracebackType | None) -> int | None:
    """The line of the innermost frame that is a template's."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename in ("<template>", "<unknown>"):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
