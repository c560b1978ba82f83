"""Claims on whole trainings under every other rule that closes: the kin of SAM, masks, corrections, example weights."""

from dataclasses import replace

from paper_repro.beyond.claims.curves import CORRECTED, MODEL, N_SAM, PROBLEM, RHO, RHO_BATCH, TRAINING, inverted
from paper_repro.beyond.claims.wrong import NO_RESPONSE
from paper_repro.beyond.simulated import Descent
from spec.claims import Claim, Mutant
from spec.rules import (
    DownWeight,
    FeatureReweight,
    Fsam,
    Gsam,
    JacobianSam,
    LogitSam,
    MarginSelection,
    NormalisedReweight,
    Only,
    OracleAscent,
    RandomSelection,
    Rule,
    Sam,
    Sgd,
    Vasso,
    Without,
)
from spec.training import Training

QUARTER = PROBLEM.n // 4
GENTLE = replace(TRAINING, eta=0.3)  # where finite sizes would show over hundreds of trainings
REMEMBERED = MODEL.closed("response dropped", NO_RESPONSE)
INVERTED = MODEL.of("n/d inverted", inverted)


def _ruled(name: str, statement: str, rule: Rule, *mutants: Mutant, training: Training = TRAINING) -> Claim:
    return MODEL.whole(name, statement, Descent(rule, PROBLEM, training), mutants)


def _instead(rule: Rule) -> Mutant:
    return MODEL.ruled(f"{rule.name} in its place", rule)


DESCENTS = (
    _ruled(
        "minibatches",
        "Minibatches of a quarter of the examples, momentum and weight decay: F is zero outside the batch.",
        Sgd(),
        MODEL.of("the whole batch", lambda descent: descent._replace(training=replace(descent.training, batch=None))),
        MODEL.of("no momentum", lambda descent: descent._replace(training=replace(descent.training, momentum=0.0))),
        REMEMBERED,
        training=Training(eta=0.2, epochs=2, batch=QUARTER, momentum=0.5, weight_decay=0.05),
    ),
    _ruled(
        "l_sam",
        "L-SAM is 1-SAM: the Jacobian of f has no weights.",
        LogitSam(RHO),
        _instead(JacobianSam(RHO)),
        INVERTED,
    ),
    _ruled(
        "j_sam", "J-SAM is descent: the Jacobian of f has no weights.", JacobianSam(RHO), _instead(Sam(RHO)), INVERTED
    ),
    _ruled(
        "m_sam",
        "m-SAM of four shards: each has an ascent of its own, along the derivatives of its examples.",
        Sam(RHO_BATCH, QUARTER),
        _instead(N_SAM),
        REMEMBERED,
        training=GENTLE,
    ),
    _ruled(
        "example_asam",
        "1-ASAM: a margin falls by rho ||T x||, the signal's coordinate of x counted by itself.",
        Sam(RHO, "example", "adaptive"),
        _instead(Sam(RHO)),
        INVERTED,
    ),
    _ruled(
        "batch_asam",
        "n-ASAM: the ascent is a function of entries, and its length that of the signal's and of all others.",
        Sam(RHO_BATCH, "batch", "adaptive"),
        _instead(N_SAM),
        REMEMBERED,
    ),
    _ruled(
        "gsam",
        "GSAM: the part of the plain gradient across the perturbed one is taken away; lengths are numbers.",
        Gsam(RHO_BATCH, 5.0),
        _instead(N_SAM),
        REMEMBERED,
        training=GENTLE,
    ),
    _ruled(
        "fsam",
        "FSAM: the ascent follows the gradient less its average over steps, a vector of the same span.",
        Fsam(RHO_BATCH, 2.0, 0.7),
        _instead(N_SAM),
        REMEMBERED,
        training=GENTLE,
    ),
    _ruled(
        "vasso",
        "VaSSO: the ascent follows an average over steps, a vector of the same span.",
        Vasso(RHO_BATCH, 0.05),
        _instead(N_SAM),
        REMEMBERED,
    ),
)

MASKS = (
    _ruled(
        "down_weighted",
        "Group A down-weighted under GSAM: a mask goes around any rule.",
        DownWeight(Gsam(RHO_BATCH, 3.0), 0.8, "A"),
        _instead(Gsam(RHO_BATCH, 3.0)),
        _instead(DownWeight(N_SAM, 0.8, "A")),
    ),
    _ruled(
        "without",
        "Without group A: there the plain gradient takes the place of n-SAM's.",
        Without(N_SAM, "A"),
        _instead(N_SAM),
        _instead(Only(N_SAM, "A")),
    ),
    _ruled(
        "only",
        "Group A alone from n-SAM: elsewhere the plain gradient.",
        Only(N_SAM, "A"),
        _instead(Sgd()),
        _instead(Without(N_SAM, "A")),
        training=GENTLE,
    ),
)

ASCENTS = (
    _ruled(
        "margin_selected",
        "NCSAM that selects by margin, not projected: g* is a sum over examples drawn by their own margins.",
        replace(CORRECTED, selection=MarginSelection(0.25), project=None),
        _instead(replace(CORRECTED, selection=RandomSelection(0.25), project=None)),
        REMEMBERED,
        training=replace(TRAINING, eta=2.0),
    ),
    _ruled(
        "randomly_selected",
        "NCSAM that selects at random, on the ball.",
        replace(CORRECTED, selection=RandomSelection(0.25), sign=1, project="ball"),
        _instead(replace(CORRECTED, selection=RandomSelection(0.25), project="ball")),
        REMEMBERED,
    ),
    _ruled(
        "oracle_ascent",
        "The oracle ascent of 1-SAM: clean margins fall by c and mislabelled ones rise by it.",
        OracleAscent(Sam(RHO)),
        _instead(Sam(RHO)),
        INVERTED,
    ),
    _ruled(
        "oracle_batch_ascent",
        "The oracle ascent of n-SAM follows the gradient under true labels.",
        OracleAscent(N_SAM),
        _instead(N_SAM),
        REMEMBERED,
    ),
)

WEIGHTS = (
    _ruled(
        "l2rw",
        "L2RW: weights are the positive couplings over their mean.",
        NormalisedReweight(),
        _instead(Sgd()),
        REMEMBERED,
    ),
    _ruled(
        "fbr",
        "FBR on inputs: an example's agreement with its class is a forward product with the clean class means.",
        FeatureReweight(),
        MODEL.of("a tenth of the clean examples", lambda descent: descent._replace(m=descent.trusted // 10)),
        REMEMBERED,
    ),
)

CLAIMS = DESCENTS + MASKS + ASCENTS + WEIGHTS
