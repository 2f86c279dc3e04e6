"""The stage in which people decide: rows that are worth a look, and labels that were given elsewhere."""

from .labels import Brought, bring
from .pick import pick

__all__ = ["Brought", "bring", "pick"]
