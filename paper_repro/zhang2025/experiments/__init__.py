"""Experiments on Zhang et al. (2025): a configuration, its parts, readings, figures and tables."""
