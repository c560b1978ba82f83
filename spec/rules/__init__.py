"""Update rules, by family: SGD and SAM, variants of n-SAM, wrappers, masks, compensations, schemes, noisy labels.

Every rule is a frozen record derived from `Rule`; sims.rules gives each its gradient. Wrappers and masks go around any
rule, compensations around those with an ascent step of their own.

base, sam, family     the contract; SGD, 1-, m- and n-SAM, L-SAM, J-SAM; GSAM, FSAM, VaSSO
wrappers, masks       rules around a rule, by the element-wise ratio, and their controls
compensation          NCSAM, its selections and schedule, the oracle ascent
schemes               weights of examples from a clean subset
noisy_labels          bootstrapped losses, a rule on weighted losses, Co-teaching
"""

from spec.rules.base import Rule, Sharpness, is_input, require_number, shaping
from spec.rules.compensation import (
    ClusterSelection,
    Compensation,
    CompensationSchedule,
    MarginSelection,
    NoiseCompensated,
    OracleAscent,
    OracleSelection,
    RandomSelection,
    Selection,
    Target,
)
from spec.rules.family import Fsam, Gsam, Vasso
from spec.rules.masks import Mask, Match, OracleMask, RandomMask
from spec.rules.noisy_labels import Bootstrapped, CoTeaching, WeightedBy
from spec.rules.sam import (
    ADAPTIVE_OFFSET,
    Ascent,
    JacobianSam,
    LogitSam,
    Perturbed,
    Regularised,
    Sam,
    SamFamily,
    Sgd,
)
from spec.rules.schemes import (
    FeatureReweight,
    FixedReweight,
    MetaReweight,
    NormalisedReweight,
    Scheme,
    WeightNet,
)
from spec.rules.wrappers import DownWeight, Group, Only, Without, Wrapper

__all__ = [
    "ADAPTIVE_OFFSET",
    "Ascent",
    "Bootstrapped",
    "ClusterSelection",
    "CoTeaching",
    "Compensation",
    "CompensationSchedule",
    "DownWeight",
    "FeatureReweight",
    "FixedReweight",
    "Fsam",
    "Group",
    "Gsam",
    "JacobianSam",
    "LogitSam",
    "MarginSelection",
    "Mask",
    "Match",
    "MetaReweight",
    "NoiseCompensated",
    "NormalisedReweight",
    "Only",
    "OracleAscent",
    "OracleMask",
    "OracleSelection",
    "Perturbed",
    "RandomMask",
    "RandomSelection",
    "Regularised",
    "Rule",
    "Sam",
    "SamFamily",
    "Scheme",
    "Selection",
    "Sgd",
    "Sharpness",
    "Target",
    "Vasso",
    "WeightNet",
    "WeightedBy",
    "Without",
    "Wrapper",
    "is_input",
    "require_number",
    "shaping",
]
