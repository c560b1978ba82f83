"""Claims on Theorem 1 in simulation: how often its bound holds, and its first step, for learners that strain it."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.shared.drawn import samples
from paper_repro.shared.logistic_cases import LINEAR
from paper_repro.xu2026.claims.measured_gradients import ISOTROPIC, ORTHOGONAL, FloatArray
from paper_repro.xu2026.claims.proof import PROOF
from sims import objectives, rules
from sims.observables import scalars
from spec.claims import AtMost, Claim, Mutant, Sample
from spec.problems import SignalNoiseMixture
from spec.rules import Sam
from theory.compensation import pac_bayes

WIDE = SignalNoiseMixture(n=60, d=240, B=0.6, gamma=1.0, Delta=0.2, flips="bernoulli")
# The mean of t x learns; in many dimensions it memorises; its opposite is wrong wherever the label is right.
LEARNERS = ((ISOTROPIC, 1.0), (WIDE, 1.0), (ORTHOGONAL, -1.0))
RHO, CONFIDENCE = 0.05, 0.05


class _Learnt(NamedTuple):
    """Of one learner on every data set (seeds,): error, observed and kept error at the ascent, ||w||, noise rate."""

    law: SignalNoiseMixture
    error: FloatArray
    observed: FloatArray
    kept: FloatArray
    norm: FloatArray
    rate: FloatArray


def _learnt(sample: Sample) -> list[_Learnt]:
    """The error is that on fresh examples under their true labels."""
    rng, found = np.random.default_rng(sample.seed), []
    for law, sign in LEARNERS:
        split, fresh = (samples(law, rng, sample.count) for _ in range(2))
        w = sign * np.asarray(jnp.einsum("kn,knd->kd", split.t, split.x)) / law.n
        error = np.mean(np.sign(np.asarray(fresh.x).reshape(-1, law.d) @ w.T) != np.ravel(fresh.y)[:, None], axis=0)
        observed, kept, rate = map(np.asarray, _ascended(w, split))
        found.append(_Learnt(law, error, observed, kept, np.linalg.norm(w, axis=1), rate))
    return found


@jax.jit
def _ascended(w: Any, splits: Any) -> Any:
    """0-1 losses at SAM's ascent over all examples and over those of right label, and the share of wrong labels."""

    def one(w: Any, split: Any) -> Any:
        moved, _ = rules.networks(Sam(RHO, "batch"), LINEAR, {"w": w}, objectives.Batch(split.x, split.t))
        wrong, right = scalars.predictions(moved({"w": w})) != split.t, split.t == split.y
        share = partial(jnp.mean, dtype=w.dtype)
        return share(wrong), jnp.sum(wrong & right) / jnp.sum(right), 1 - share(right)

    return jax.vmap(one)(w, splits)


def _bound(learnt: _Learnt, seed: int, noise: float = 1.0) -> pac_bayes.Bound:
    """Theorem 1 for one data set; noise: a factor of the noise rate."""
    law = learnt.law
    settings: dict[str, Any] = {"rho": RHO, "K": law.d, "n": law.n, "confidence": CONFIDENCE}
    return pac_bayes.theorem_1(learnt.observed[seed], learnt.norm[seed], Delta=noise * learnt.rate[seed], **settings)


def _broken(case: list[_Learnt], noise: float = 1.0, complexity: bool = True) -> FloatArray:
    """Whether the error exceeds the bound, (seeds, learners)."""
    columns = []
    for learnt in case:
        bounds = [_bound(learnt, seed, noise) for seed in range(len(learnt.error))]
        columns.append(learnt.error > [b.total if complexity else b.sharpness + b.tail for b in bounds])
    return np.stack(columns, axis=1).astype(float)


THEOREM = Claim(
    id="xu2026.theorem_1",
    origin="paper",
    source="Xu et al. (2026), equations 5 and 6",
    statement="The bound of Theorem 1 holds with probability 1 - delta over data sets.",
    regime="kept samples drawn from the test law; 0-1 loss of linear classifiers, among them one that memorises "
    "(n < d) and one that is always wrong; the loss at SAM's ascent for the largest in the ball, which only lowers it",
    tolerance=AtMost(),
    setup=_learnt,
    predicted=lambda case: np.full(len(LEARNERS), CONFIDENCE),
    measured=_broken,
    mutants=(
        Mutant("without the factor 1/(1 - Delta)", measured=partial(_broken, noise=0.0)),
        Mutant("without the complexity", measured=partial(_broken, complexity=False)),
    ),
    theory="theory.compensation.pac_bayes.theorem_1",
    figure="xu2026.bound",
)


def _stated_split(case: list[_Learnt], noise: float = 1.0) -> FloatArray:
    """The first term of the bound at the realised noise rate."""
    return np.array([_bound(learnt, seed, noise).sharpness for learnt in case for seed in range(len(learnt.error))])


SPLIT = Claim(
    id="xu2026.split",
    origin="paper",
    source=PROOF + ", step 2",
    statement="The loss of the rightly labelled examples is at most L_t/(1 - Delta), which is attained by classifiers "
    "that are right on every wrong label.",
    regime="any loss >= 0, at any perturbation, Delta the realised share; here the learners of xu2026.theorem_1",
    tolerance=AtMost(),
    setup=_learnt,
    predicted=_stated_split,
    measured=lambda case: np.concatenate([learnt.kept for learnt in case])[None],
    mutants=(
        Mutant("without the factor 1/(1 - Delta)", predicted=partial(_stated_split, noise=0.0)),
        Mutant("half the noise rate", predicted=partial(_stated_split, noise=0.5)),
    ),
    theory="theory.compensation.pac_bayes.theorem_1",
)

CLAIMS = (THEOREM, SPLIT)
