"""Sharpness-aware logistic regression in closed form (Baek et al. 2024, Section 3).

regression   at finite n: margins, example weights, gradients, the robust loss, amplification, reordering, ratios
ratio        the clean/mislabelled ratio between two radii: what holds for all, and what only near one
max_margin   the end of training on separable data
mixture      over the signal-plus-noise mixture: exact test accuracy, expected gradient norms, fixed shifts
population   the clean/mislabelled ratio on the mixture under 1-SAM: its sign, for every radius
"""
