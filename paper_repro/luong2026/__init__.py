"""Luong et al. (2026), "Understanding SAM's Robustness to Noisy Labels through Gradient Down-weighting", AISTATS."""

from paper_repro.luong2026.paper import PAPER

__all__ = ["PAPER"]
