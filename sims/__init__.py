"""Training as it is done: data, models, rules and what is recorded, from the records of spec.

Importing any part of sims makes every rule of spec.rules known.
"""

from sims import down_weighting, masks, noise_compensation, sam_family
from sims.runs import simulate

__all__ = ["down_weighting", "masks", "noise_compensation", "sam_family", "simulate"]
