"""Update rules: the contract every rule keeps (`base`), and the gradient of each, in one module for each family.

    bind(rule, context)                               the rule for one training split
    init(rule, params) -> state                       begin_epoch(rule, state) -> state
    gradient(rule, state, objective, params, batch) -> (gradient, state)
    with_plain(...) -> (gradient, plain gradient, state)
    report(rule, state, train) -> what the state has to say

base, bound            the contract, and what a rule is bound to
ascent, sam, family    ascent steps; SGD, 1-, m- and n-SAM, L-SAM, J-SAM; GSAM, FSAM, VaSSO
down_weighting, masks  wrappers by the element-wise ratio, and their controls
compensation, selection     NCSAM, and which examples it takes under which labels
schemes, meta_reweighting, feature_reweighting, weight_net     example weights
noisy_labels           bootstrapped and weighted losses, Co-teaching

All modules of this package are imported with it, so that every rule is known.
"""

from importlib import import_module
from pkgutil import iter_modules

from sims.rules.ascent import PERTURBED_COPIES, ascent_step, step_along
from sims.rules.base import begin_epoch, bind, gradient, init, register, report, with_plain
from sims.rules.bound import Context, Labelled
from sims.rules.sam import is_factored, networks

__all__ = [
    "PERTURBED_COPIES",
    "Context",
    "Labelled",
    "ascent_step",
    "begin_epoch",
    "bind",
    "gradient",
    "init",
    "is_factored",
    "networks",
    "register",
    "report",
    "step_along",
    "with_plain",
]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
