"""Xu, Deng, Pang (2026), noise-compensated sharpness-aware minimisation (NCSAM), arXiv:2601.19947."""

from paper_repro.xu2026.paper import PAPER

__all__ = ["PAPER"]
