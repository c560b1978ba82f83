"""Zhang, Holtz, Mishne, Cloninger (2025), "Revisiting Meta-Learning with Noisy Labels", arXiv:2510.12209."""

from paper_repro.zhang2025.paper import PAPER

__all__ = ["PAPER"]
