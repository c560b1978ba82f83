"""Claims on networks of a few units: what the limit predicts for L-SAM, J-SAM and 1-SAM against samples."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from paper_repro.beyond.claims.whole import Model
from paper_repro.beyond.claims.wrong_networks import AlongFields, LastLayerMoves, Transposed, WithoutSign
from paper_repro.beyond.simulated_networks import Descent, at_end
from spec.claims import Asymptotic, Claim, Mutant, Sample
from spec.problems import SignalNoiseMixture
from spec.rules import JacobianSam, LogitSam, Rule, Sam, Sgd
from spec.training import Training
from theory.mean_field.networks import TwoLayer, prediction
from theory.mean_field.networks.rules import Pass
from theory.mean_field.setting import Accuracy

NAMES = ("signal_overlap", "clean_loss", "mislabelled_loss", "last_norm", "first_norm")
OURS = "derived (docs/mean_field_networks.md)"
REGIME = "n, d -> inf at fixed n/d; a two-layer network of three units; a fixed number of flips, full batch"
THEORY = "theory.mean_field.networks.prediction.at_end"
PROBLEM = SignalNoiseMixture(n=240, d=300, B=1.5, Delta=0.25)
TRAINING = Training(eta=0.7, epochs=6)
NETWORK = TwoLayer((1.0, 0.8, -0.6), "tanh", second=0.5)
DRAWS = Accuracy(samples=1024, repeats=4, seed="beyond.networks")
C = 1.0


def _rho(problem: SignalNoiseMixture) -> float:
    return C / float(np.sqrt(problem.B**2 + problem.gamma**2 * problem.d))


def _stated(descent: Descent, closure: type[Pass] = Pass) -> np.ndarray:
    return prediction.at_end(NAMES, *descent, accuracy=DRAWS, closure=closure)


MODEL = Model(OURS, REGIME, THEORY, "beyond.networks", _stated, at_end)
RHO = _rho(PROBLEM)

ONE_SAM = MODEL.whole(
    "network_one_sam",
    "1-SAM in a network of tanh units: an ascent moves the example's own fields by c sign(q) p/||p||, p = v*phi'(H).",
    Descent(Sam(RHO), PROBLEM, TRAINING, NETWORK),
    (
        MODEL.closed("the last layer moves at leading order", LastLayerMoves),
        MODEL.closed("fields move along themselves", AlongFields),
        MODEL.closed("sign of the residual dropped", WithoutSign),
        MODEL.closed("blocks of the response transposed", Transposed),
        MODEL.ruled("J-SAM", JacobianSam(RHO)),
    ),
)

L_SAM = MODEL.whole(
    "network_l_sam",
    "L-SAM in a network of tanh units: the residual at the moved fields, the Jacobian at the plain ones.",
    Descent(LogitSam(RHO), PROBLEM, TRAINING, NETWORK),
    (MODEL.ruled("J-SAM in its place", JacobianSam(RHO)), MODEL.ruled("SGD", Sgd())),
)

J_SAM = MODEL.whole(
    "network_j_sam",
    "J-SAM in a network of ReLU units: the residual at the plain fields, the Jacobian at the moved ones.",
    Descent(JacobianSam(RHO), PROBLEM, TRAINING, replace(NETWORK, unit="relu")),
    (MODEL.ruled("L-SAM in its place", LogitSam(RHO)), MODEL.ruled("1-SAM", Sam(RHO))),
)


class _Shrinking(Pass):
    """The shrinkage of v in the place of the moved Jacobian, of a factor: c E|q| v/||v||."""

    factor = 1.0

    def gradient(self, q: np.ndarray, point: Any) -> np.ndarray:
        g = super().gradient(q, point)
        size = self.batch.mean(np.abs(q)) * RHO * self.batch.length
        g[:, :1] += self.factor * size * point.v / np.linalg.norm(point.v)
        return g


class _Doubled(_Shrinking):
    factor = 2.0


def _shrunk(case: Any, closure: type[Pass] = _Shrinking) -> np.ndarray:
    return _stated(case[1]._replace(rule=Sgd()), closure)


SHRINKAGE = replace(
    MODEL.whole(
        "network_shrinkage",
        "Proposition 4.1 in high dimension: J-SAM of linear units is SGD with c E|q| v/||v|| added to the gradient of "
        "v; the penalty of activations vanishes.",
        Descent(JacobianSam(RHO), PROBLEM, TRAINING, replace(NETWORK, unit="linear")),
        (
            Mutant("no shrinkage: SGD", predicted=partial(_shrunk, closure=Pass)),
            Mutant("shrinkage doubled", predicted=partial(_shrunk, closure=_Doubled)),
        ),
    ),
    predicted=_shrunk,
)

SIZES = (16, 64, 256)
PER_SEED = 8  # trainings for each seed: a slope needs many
SHORT = replace(TRAINING, epochs=4)
LAST_NORM = NAMES.index("last_norm")


def _at_size(rule: Callable[[float], Rule], d: int) -> Descent:
    problem = replace(PROBLEM, n=round(0.8 * d), d=d)
    return Descent(rule(_rho(problem)), problem, SHORT, NETWORK)


def _rates(rule: Callable[[float], Rule], sample: Sample) -> np.ndarray:
    ends = [at_end(_at_size(rule, d), sample.seed + d, PER_SEED * sample.count) for d in SIZES]
    return np.stack([end[:, LAST_NORM] for end in ends], axis=1)


def _limits(rule: Callable[[float], Rule], sample: Sample) -> np.ndarray:
    return np.array([_stated(_at_size(rule, d))[LAST_NORM] for d in SIZES])


def _rate(name: str, rule: Callable[[float], Rule], other: Callable[[float], Rule]) -> Claim:
    return Claim(
        id=f"beyond.network_rate_{name}",
        origin="derived",
        source=OURS,
        statement="One training of size d is off the limit by O(d^-1/2), the mean over trainings by O(1/d).",
        regime=REGIME + f"; ||v|| after 4 steps of {rule(1.0).name}",
        tolerance=Asymptotic(SIZES, -0.5, (0.0, -1.0), mean_exponent=-1.0),
        setup=lambda sample: sample,
        predicted=partial(_limits, rule),
        measured=partial(_rates, rule),
        mutants=(Mutant(other(1.0).name, predicted=partial(_limits, other)),),
        theory=THEORY,
        figure="beyond.networks",
    )


def _sgd(rho: float) -> Rule:
    return Sgd()


RATES = (
    _rate("sgd", _sgd, JacobianSam),
    _rate("one_sam", Sam, LogitSam),
    _rate("l_sam", LogitSam, Sam),
    _rate("j_sam", JacobianSam, _sgd),
)

CLAIMS = (ONE_SAM, L_SAM, J_SAM, SHRINKAGE, *RATES)
