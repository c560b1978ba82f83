"""Importing any part of sims makes every rule of spec.rules known."""

from sims import down_weighting, masks, noise_compensation, sam_family

__all__ = ["down_weighting", "masks", "noise_compensation", "sam_family"]
