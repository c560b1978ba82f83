"""The displayed formulas of the other rooms, each derived by sympy from a definition.

logistic, networks, down_weighting, reweighting, compensation   one module for each room
"""
