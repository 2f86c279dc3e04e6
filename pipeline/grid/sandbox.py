"""Jinja without a way out: no loader, no private names, no chance, and a bound on what one rendering may cost.

Recipes are downloaded and mailed about, so a template may neither reach into Python nor hang or fill
the machine that renders it. Everything that repeats or lengthens draws on the budget of the rendering:
loops, calls, arithmetic on texts and lists, and the filters that pad or join.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, cast

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS, do_wordwrap
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

MAX_TEXT = 2_000_000
"""Characters that one rendering may write."""
MAX_WORK = 32_000_000
"""Characters (and items of lists) that one rendering may make on the way."""
MAX_STEPS = 100_000
"""Turns of loops and calls that one rendering may take."""
MAX_RANGE = 10_000
"""Numbers in one range()."""
MAX_BITS = 4_096
"""Bits of a whole number that arithmetic may make."""

BUDGET = " budget"
"""The context variable of a rendering's budget; no template can write a name with a space."""

_TEXT_METHODS = """
capitalize casefold center count endswith find format index isalnum isalpha isascii isdecimal isdigit islower isnumeric
isspace istitle isupper join ljust lower lstrip partition removeprefix removesuffix replace rfind rindex rjust
rpartition rsplit rstrip split splitlines startswith strip swapcase title upper zfill
"""
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(_TEXT_METHODS.split()),
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
}
_WIDE = re.compile(r"\d{4,}|\*|\{[^{}]*\{")
"""Parts of a format text that can make a long text of a short one: wide fields, widths taken from arguments."""


class Refused(SecurityError):
    """The sandbox stopped a template; the message is a sentence for its author."""


class Missing(StrictUndefined):
    """A name that is not known, or a part that a value does not have. Any use of it raises."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"'{self._undefined_name}' is not known here"
        if isinstance(self._undefined_obj, dict):
            known = ", ".join(str(key) for key in list(self._undefined_obj)[:20])
            return f"there is no {self._undefined_name!r} among {known or 'nothing'}"
        kind = type(self._undefined_obj).__name__
        return f"a value of type {kind} has no part {self._undefined_name!r}"


class Budget:
    """What one rendering has left."""

    __slots__ = ("steps", "text", "work")

    def __init__(self) -> None:
        self.text, self.work, self.steps = MAX_TEXT, MAX_WORK, MAX_STEPS

    def step(self) -> None:
        """One turn of a loop, or one call."""
        self.steps -= 1
        if self.steps < 0:
            raise Refused(f"takes more than {MAX_STEPS:,} turns of loops and calls")

    def make(self, size: int) -> None:
        """A text or list that is about to be made."""
        self.work -= size
        if self.work < 0:
            raise Refused(f"makes texts or lists of more than {MAX_WORK:,} characters")

    def write(self, size: int) -> None:
        """Characters that go into the output."""
        self.text -= size
        if self.text < 0:
            raise Refused(f"writes more than {MAX_TEXT:,} characters")


def budget_of(context: Context) -> Budget:
    """The budget of the rendering that a context belongs to."""
    return cast(Budget, context.parent[BUDGET])


def size_of(value: Any) -> int:
    """Characters of a value's text, roughly; containers count what they hold, and 8 an item. Stops beyond MAX_WORK."""
    total, stack = 0, [value]
    while stack and total <= MAX_WORK:
        item = stack.pop()
        if isinstance(item, str):
            total += len(item)
        elif isinstance(item, dict):
            total += 16 * len(item)
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list | tuple):
            total += 8 * len(item)
            stack.extend(item)
        elif isinstance(item, int):
            total += item.bit_length() // 3 + 1
        else:
            total += 16
    return total


@pass_context
def _made(context: Context, value: Any) -> Any:
    budget_of(context).make(size_of(value))
    return value


@pass_context
def _concatenated(context: Context, parts: list[Any]) -> str:
    budget_of(context).make(size_of(parts))
    return "".join([str(part) for part in parts])


@pass_context
def _counted(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    budget = budget_of(context)
    for value in values:
        budget.step()
        yield value


@pass_context
def _entered(context: Context, characters: int) -> str:
    """Charged where a body that can run often begins: its literal text."""
    budget = budget_of(context)
    budget.step()
    budget.write(characters)
    return ""


@pass_context
def _written(context: Context, value: Any) -> Any:
    if value is None:
        raise Refused("would write a value that is null (an empty one reads: {{ name or '' }})")
    budget_of(context).write(len(value) if isinstance(value, str) else size_of(value))
    return value


class _Metered(NodeTransformer):
    """Puts the meter into a template's tree, where loops turn and texts or lists are made."""

    def __init__(self, environment: ImmutableSandboxedEnvironment) -> None:
        self.environment = environment

    def _filter(self, node: nodes.Expr, name: str) -> nodes.Filter:
        wrapped = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
        return cast(nodes.Filter, wrapped.set_environment(self.environment))

    def _entry(self, node: Any) -> Any:
        size = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        constant = nodes.Const(size, lineno=node.lineno)
        node.body.insert(0, nodes.ExprStmt(self._filter(constant, " entered"), lineno=node.lineno))
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - named by Jinja
        self._entry(node)
        node.iter = self._filter(cast(nodes.Expr, node.iter), " counted")
        return node

    visit_Macro = visit_CallBlock = _entry  # noqa: N815

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return self._filter(parts, " concatenated")

    def _literal(self, node: Any) -> nodes.Node:
        if getattr(node, "ctx", "load") == "store" or not list(node.find_all((nodes.Name, nodes.Call))):
            return cast(nodes.Node, node)
        self.generic_visit(node)
        return self._filter(node, " made")

    visit_List = visit_Tuple = visit_Dict = _literal  # noqa: N815

    def _no_files(self, node: nodes.Node) -> nodes.Node:
        raise TemplateSyntaxError("a template cannot include, import or extend another file", node.lineno)

    visit_Include = visit_Import = visit_FromImport = visit_Extends = _no_files  # noqa: N815


def metered(environment: ImmutableSandboxedEnvironment, tree: nodes.Template) -> nodes.Template:
    """The tree with the meter in it."""
    _Metered(environment).visit(tree)
    return cast(nodes.Template, tree.set_environment(environment))


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with a budget, few methods, and nothing that is left to chance or the clock."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            undefined=Missing, autoescape=False, keep_trailing_newline=True, finalize=_written, extensions=()
        )
        del self.globals["lipsum"]
        self.globals["range"] = _range
        for name in ("random", "urlize", "xmlattr", "pprint"):
            del self.filters[name]
        self.filters |= _bounded_filters()
        self.filters |= {
            " made": _made, " concatenated": _concatenated, " counted": _counted, " entered": _entered,
        }

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """No private name, nothing that changes a value, and of texts and lists only the methods listed above."""
        if not super().is_safe_attribute(obj, attr, value):
            return False
        if isinstance(obj, bytes | int | float | complex):
            return not callable(value)
        allowed = next((names for kind, names in _METHODS.items() if isinstance(obj, kind)), None)
        return allowed is None or not callable(value) or attr in allowed

    def getattr(self, obj: Any, attribute: str) -> Any:
        """What a mapping holds under a name goes before its methods: `{{order.items}}` are the items of the order."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Any:
        """Names the attribute when it is used."""
        hint = f"'{attribute}' of a value of type {type(obj).__name__} cannot be used in a template"
        return self.undefined(hint, name=attribute, obj=obj, exc=Refused)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`format` of a text, without wide fields; never `format_map`."""
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None
        if value.__name__ != "format":
            raise Refused(f"'{value.__name__}' of a text cannot be used in a template")
        _narrow(value.__self__)
        return wrapped

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic that could make something long asks the budget first."""
        budget = budget_of(context)
        if isinstance(left, int | float) and isinstance(right, int | float):
            _small(operator, left, right)
        elif operator == "%" and isinstance(left, str):
            _narrow(left)
            budget.make(len(left) + size_of(right))
        elif operator == "*":
            count, value = (left, right) if isinstance(left, int) else (right, left)
            if isinstance(count, int):
                budget.make(max(count, 0) * (size_of(value) + 1))
        elif operator == "+":
            budget.make(size_of(left) + size_of(right))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """Every call is a step; methods that pad, join or replace are measured first."""
        budget = budget_of(__context)
        budget.step()
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str):
            args = _measure_method(budget, owner, __obj.__name__, args)
        return super().call(__context, __obj, *args, **kwargs)


def _range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers) > MAX_RANGE:
        raise Refused(f"range() of {len(numbers):,} numbers; at most {MAX_RANGE:,}")
    return numbers


def _narrow(text: str) -> None:
    if _WIDE.search(text):
        raise Refused(f"the format {text[:40]!r} makes fields wider than 999, or of a width that is an argument")


def _small(operator: str, left: float, right: float) -> None:
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() * max(right, 0) if operator == "**" else left.bit_length() + right.bit_length()
        if bits > MAX_BITS:
            raise Refused(f"makes a number of more than {MAX_BITS:,} bits")


def _measure_method(budget: Budget, text: str, name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    if name in ("center", "ljust", "rjust", "zfill") and args and isinstance(args[0], int):
        budget.make(max(args[0], len(text)))
    elif name == "join" and args:
        items = list(args[0])
        budget.make(size_of(items) + len(text) * len(items))
        return (items, *args[1:])
    elif name == "replace" and len(args) > 1:
        budget.make(len(text) + text.count(str(args[0])) * len(str(args[1])))
    else:
        budget.make(len(text))
    return args


@cache
def _bounded_filters() -> dict[str, Callable[..., Any]]:
    """Jinja's filters that can lengthen their input, each asking the budget first."""

    @pass_context
    def center(context: Context, value: str, width: int = 80) -> Any:
        budget_of(context).make(max(width, len(value)))
        return FILTERS["center"](value, width)

    @pass_context
    def indent(context: Context, s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> Any:
        size = len(width) if isinstance(width, str) else max(width, 0)
        budget_of(context).make(len(s) + size * (s.count("\n") + 1))
        return FILTERS["indent"](s, width, first, blank)

    @pass_context
    def join(context: Context, value: Any, d: str = "", attribute: str | int | None = None) -> Any:
        items = list(value)
        budget_of(context).make(size_of(items) + len(str(d)) * len(items))
        return FILTERS["join"](context.eval_ctx, items, d, attribute)

    @pass_context
    def replace(context: Context, s: str, old: str, new: str, count: int | None = None) -> Any:
        text = str(s)
        budget_of(context).make(len(text) + text.count(str(old)) * len(str(new)))
        return FILTERS["replace"](context.eval_ctx, text, str(old), str(new), count)

    @pass_context
    def format_(context: Context, value: str, *args: Any, **kwargs: Any) -> Any:
        _narrow(str(value))
        budget_of(context).make(len(str(value)) + size_of([args, kwargs]))
        return FILTERS["format"](value, *args, **kwargs)

    @pass_context
    def wordwrap(context: Context, s: str, width: int = 79, break_long_words: bool = True,
                 wrapstring: str | None = None, break_on_hyphens: bool = True) -> Any:
        budget_of(context).make(len(s) * (1 + len(wrapstring or "")))
        return do_wordwrap(context.environment, s, width, break_long_words, wrapstring, break_on_hyphens)

    @pass_context
    def tojson(context: Context, value: Any, indent: int | None = None) -> Any:
        if indent is not None and indent > 16:
            raise Refused("tojson(indent) is at most 16")
        budget_of(context).make(size_of(value) * (1 + (indent or 0)))
        return json.dumps(value, ensure_ascii=False, indent=indent)  # Jinja's own escapes < > & ' for web pages

    @pass_context
    def batch(context: Context, value: Any, linecount: int, fill_with: Any = None) -> Any:
        budget_of(context).make(linecount)
        return FILTERS["batch"](value, linecount, fill_with)

    @pass_context
    def slice_(context: Context, value: Any, slices: int, fill_with: Any = None) -> Any:
        budget_of(context).make(slices)
        return FILTERS["slice"](value, slices, fill_with)

    return {
        "center": center, "indent": indent, "join": join, "replace": replace, "format": format_,
        "wordwrap": wordwrap, "tojson": tojson, "batch": batch, "slice": slice_,
    }


@cache
def sandbox() -> Sandbox:
    """The one environment; it holds nothing of any template."""
    return Sandbox()
