"""Our own results: what no paper states, derived and checked here."""

from paper_repro.beyond.paper import PAPER

__all__ = ["PAPER"]
