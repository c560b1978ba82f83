"""Claims on networks of a few units: what the limit predicts for L-SAM, J-SAM, 1-SAM and SANER against samples."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from paper_repro.beyond.claims.whole import FEW, Model, finer
from paper_repro.beyond.claims.wrong_networks import AlongFields, LastLayerMoves, Transposed, WithoutSign
from paper_repro.beyond.simulated_networks import Descent, at_end
from spec.claims import Mutant
from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.rules import DownWeight, JacobianSam, LogitSam, Sam, Sgd
from spec.training import Training
from theory.mean_field.networks import TwoLayer, prediction
from theory.mean_field.networks.rules import Pass, Point
from theory.mean_field.setting import Accuracy
from theory.mean_field.weights import SIGNAL

NAMES = ("signal_overlap", "clean_loss", "mislabelled_loss", "last_norm", "first_norm")
OURS = "derived (docs/mean_field_networks.md)"
REGIME = "n, d -> inf at fixed n/d; a two-layer network of three units; a fixed number of flips, full batch"
THEORY = "theory.mean_field.networks.prediction.at_end"
PROBLEM = SignalNoiseMixture(n=240, d=300, B=1.5, Delta=0.25)
TRAINING = Training(eta=0.7, epochs=6)
NETWORK = TwoLayer((1.0, 0.8, -0.6), "tanh", second=0.5)
DRAWS = Accuracy(samples=1024, repeats=4, seed="beyond.networks")
C = 1.0


def rho(problem: SignalNoiseMixture) -> float:
    """C/||x||."""
    return C / float(np.sqrt(problem.B**2 + problem.gamma**2 * problem.d))


def stated(descent: Descent, closure: type[Pass] = Pass, seeds: int = FEW) -> np.ndarray:
    """NAMES at the end, predicted; fine enough for so many seeds."""
    return prediction.at_end(NAMES, *descent, accuracy=finer(DRAWS, seeds), closure=closure)


MODEL = Model(OURS, REGIME, THEORY, "beyond.networks", stated, at_end)
RHO = rho(PROBLEM)

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


LARGE = replace(PROBLEM, n=720, d=900)  # what the limit leaves out is of the order of 1/d


class _Shrinking(Pass):
    """The shrinkage of v in the place of the moved Jacobian, of a factor: c E|q| v/||v||."""

    factor = 1.0

    def gradient(self, q: np.ndarray, point: Any) -> np.ndarray:
        g = super().gradient(q, point)
        size = self.batch.mean(np.abs(q)) * rho(LARGE) * self.batch.length
        g[:, :1] += self.factor * size * point.v / np.linalg.norm(point.v)
        return g


class _Doubled(_Shrinking):
    factor = 2.0


def _shrunk(case: Any, closure: type[Pass] = _Shrinking) -> np.ndarray:
    return stated(case[1]._replace(rule=Sgd()), closure, case[0].count)


SHRINKAGE = replace(
    MODEL.whole(
        "network_shrinkage",
        "Proposition 4.1 in high dimension: J-SAM of linear units is SGD with c E|q| v/||v|| added to the gradient of "
        "v; the penalty of activations vanishes.",
        Descent(JacobianSam(rho(LARGE)), LARGE, TRAINING, replace(NETWORK, unit="linear")),
        (
            Mutant("no shrinkage: SGD", predicted=partial(_shrunk, closure=Pass)),
            Mutant("shrinkage doubled", predicted=partial(_shrunk, closure=_Doubled)),
        ),
    ),
    predicted=_shrunk,
)

LARGER = replace(PROBLEM, n=480, d=600)
MASK = DownWeight(Sam(2 * rho(LARGER)), 0.7)  # no entry of v and none of the signal is close to the mask's edge

MASKED = MODEL.whole(
    "network_mask",
    "SANER over 1-SAM in a network of tanh units: entries of W by samples, those of v and of the signal one by one.",
    Descent(MASK, LARGER, TRAINING, replace(NETWORK, overlap=0.3)),
    (MODEL.ruled("no mask", MASK.base), MODEL.ruled("another group", replace(MASK, group="A"))),
)


class _Unseen(Pass):
    """Inputs have no part along the teacher's direction: labels are as good as drawn."""

    def at(self, w: np.ndarray) -> Point:
        here = super().at(w)
        matrix = self.batch.matrix
        return here._replace(H=here.H - matrix.s * matrix.law.B * w[:, 1 + SIGNAL, None])


TEACHER = MODEL.whole(
    "network_teacher",
    "1-SAM in a network of tanh units under noisy labels of a teacher: <e_1, x> is y |g|, g normal, where the mixture "
    "has y B.",
    Descent(Sam(RHO), NoisyLinearTeacher(PROBLEM.n, PROBLEM.d, PROBLEM.Delta), TRAINING, replace(NETWORK, overlap=0.4)),
    (
        MODEL.of("less noise", lambda descent: descent._replace(problem=replace(descent.problem, Delta=0.15))),
        MODEL.closed("inputs without the teacher's direction", _Unseen),
    ),
)

CLAIMS = (ONE_SAM, L_SAM, J_SAM, SHRINKAGE, MASKED, TEACHER)
