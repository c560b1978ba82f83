"""Experiments on our own results: a configuration, its parts, readings, figures and tables."""
