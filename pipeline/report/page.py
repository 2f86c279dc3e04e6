"""The sections put together, and rendered by the template beside this file."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline import __version__
from pipeline.words import number

from ._text import brief, cut
from .comparison import comparison
from .cost import cost
from .coverage import coverage
from .drops import drops
from .exports import exports
from .following import following
from .headline import headline
from .lengths import lengths
from .mask import masked
from .material import Material
from .road import road
from .samples import samples
from .tuning import tuning

HERE = Path(__file__).parent
TEMPLATE, STYLE = "page.html.jinja", "page.css"
RECIPE = 20_000
"""Characters of the recipe that are shown."""


def render(material: Material) -> str:
    """The page as HTML. Everything that a person or a model wrote is escaped."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = number
    return environment.get_template(TEMPLATE).render(_context(material))


def _context(material: Material) -> dict[str, Any]:
    style = (HERE / STYLE).read_text(encoding="utf-8")
    covered = coverage(material)
    return {
        "name": brief(material.name), "version": __version__, "style": Markup(style),  # our own file
        "style_digest": base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii"),
        "headline": headline(material), "road": road(material), "coverage": covered, "lengths": lengths(material),
        "drops": drops(material), "samples": samples(material), "cost": cost(material), "exports": exports(material),
        "masks": masked(material),
        "tuning": tuning(material), "comparison": comparison(material), "following": following(material, covered),
        "recipe": cut(material.recipe.text, RECIPE) if material.recipe else None,
        "unread": [brief(name, 90) for name in material.unread],
    }
