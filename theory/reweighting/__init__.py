"""Clipped meta-reweighting in the tangent-kernel regime (Zhang et al. 2025).

recursion   the exact recursion of weights and outputs at finite n, also in label-signed form
flow        averages over the groups as an ordinary differential equation: energy, final weights, turning time
phases      alignment, filtering and what follows, with proved bounds on the times
reflection  a filtered weight under errors as a reflected walk, and the time in which it memorises
regrowth    what bounds weights and loss for all time: regret, energies, errors of the coupling
"""
