"""Rules as functions of rho, for claims in which every problem has its own.

Sam, LogitSam and JacobianSam are such functions themselves.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from spec.rules import JacobianSam, Rule, Sam, SamFamily, Sgd

RuleAt = Callable[[Any], Rule]
FamilyAt = Callable[[Any], SamFamily]


def sgd(rho: Any) -> Sgd:
    """SGD, whatever rho is."""
    return Sgd()


def n_sam(rho: Any) -> Sam:
    """SAM with one ascent step for the whole batch."""
    return Sam(rho, "batch")


def n_jacobian_sam(rho: Any) -> JacobianSam:
    """J-SAM with one ascent step for the whole batch."""
    return JacobianSam(rho, "batch")


def stacked(rule: RuleAt, rho: Any) -> Any:
    """The rules of stacked problems as one record whose numbers are stacked, (k,) each like rho: to be vectorised over.

    A mutant may descend by a negative rho, because records do not look into JAX arrays.
    """
    rho = jnp.asarray(rho)
    return jax.tree.map(lambda number: jnp.broadcast_to(number, rho.shape), rule(rho))
