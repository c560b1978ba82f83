"""Experiments on Baek et al. (2024): a configuration, its parts, readings, figures and tables."""
