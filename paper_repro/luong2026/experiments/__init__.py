"""Experiments on Luong et al. (2026): a configuration, its parts, readings, figures and tables."""
