"""The stage that decides: every rule's finding on every row, then one state per row. Nothing is deleted."""

from .run import Curation, curate
from .tally import Change, Changed, Dropped, Share, Tally, ranked

__all__ = ["Change", "Changed", "Curation", "Dropped", "Share", "Tally", "curate", "ranked"]
