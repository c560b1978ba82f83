"""Training as it is done: data, models, rules and what is recorded, from the records of spec.

Importing any part of sims makes every rule of spec.rules known.
"""

from sims import rules
from sims.runs import simulate

__all__ = ["rules", "simulate"]
