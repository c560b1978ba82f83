"""Networks as pairs of pure functions.

residual     residual networks with group normalisation
networks     linear, two-layer linear, MLP, LeNet; build makes the one a record names
adapters     plain functions, Equinox modules, Flax linen and nnx as a Model with its parameters
linearised   models made from a model and its parameters at the start
"""

from sims.models import residual
from sims.models.networks import Model

__all__ = ["Model", "residual"]
