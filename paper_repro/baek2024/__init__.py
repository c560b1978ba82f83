"""Baek, Kolter, Raghunathan (2024), "Why is SAM Robust to Label Noise?", ICLR 2024, arXiv:2405.03676."""

from paper_repro.baek2024.paper import PAPER

__all__ = ["PAPER"]
