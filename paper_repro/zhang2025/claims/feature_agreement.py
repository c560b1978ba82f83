"""The claim on FBR at alpha = 0, its strict setting: which examples it keeps, and with what weight."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray
from paper_repro.zhang2025.claims.recursion import Features
from sims.rules import feature_reweighting
from spec.claims import Claim, Exact, Mutant, Sample
from spec.rules import FeatureReweight
from theory import ntk

CLASSES = 4


def unbalanced(sample: Sample) -> Features:
    """Off-centre features; a clean subset with 2 to 8 examples a class; a third of the observed labels wrong."""
    rng = np.random.default_rng(sample.seed)
    centres = rng.normal(size=(CLASSES, 6))
    y, y_clean = rng.integers(0, CLASSES, 60), np.repeat(np.arange(CLASSES), (8, 3, 2, 5))
    phi, phi_clean = (centres[c] + 0.7 * rng.normal(size=(len(c), 6)) + 2 for c in (y, y_clean))
    t = np.where(np.arange(60) % 3 == 0, (y + rng.integers(1, CLASSES, 60)) % CLASSES, y)
    return Features(phi, t, phi_clean, y_clean, CLASSES)


def _measured(case: Features, *, alpha: float = 0.0, shifted: bool = True) -> FloatArray:
    eye = jnp.eye(case.classes)
    arrays = (case.phi, eye[case.t], case.phi_clean, eye[case.t_clean], alpha)
    return np.asarray(_weights(FeatureReweight(shifted=shifted), *map(jnp.asarray, arrays)))


@partial(jax.jit, static_argnums=0)
def _weights(scheme: FeatureReweight, phi: Any, one_hot: Any, phi_clean: Any, clean: Any, alpha: Any) -> jax.Array:
    K = feature_reweighting.agreements(scheme, phi, phi_clean, clean)
    return feature_reweighting.weights(scheme, feature_reweighting.directions(K, one_hot, alpha))


def _stated(case: Features, *, centred: bool = True, balanced: bool = True, kept: bool = True) -> FloatArray:
    """agreement_weights of the centred kernel, every class alike in the centre; the arguments make mutants."""
    kernel, among = case.phi @ case.phi_clean.T, case.phi_clean @ case.phi_clean.T
    counts = np.bincount(case.t_clean) if balanced else np.full(case.classes, len(case.t_clean) / case.classes)
    share = 1 / counts[case.t_clean]
    if centred:
        kernel = ntk.centred(kernel, kernel, among, among, share / share.sum())
    w = ntk.agreement_weights(kernel, case.t, case.t_clean, case.classes)
    return w if kept else np.where(w > 0, 1.0, 0.0)


STRICT = Claim(
    id="zhang2025.fbr_strict",
    origin="derived",
    source="derived here; FBR as in the first author's code",
    statement="At alpha = 0 FBR keeps exactly the examples whose own class has the centred class mean that agrees most "
    "with them, with weight min(1, 1/2 + lead/(2 smallest lag)), and gives all others 0.",
    regime="a clean example of every class, as many or not; adaptive rate and threshold 1/2, as released",
    tolerance=Exact(1e-9),
    setup=unbalanced,
    predicted=_stated,
    measured=_measured,
    mutants=(
        Mutant("features not centred", predicted=partial(_stated, centred=False)),
        Mutant("centred at the mean of the clean examples", predicted=partial(_stated, balanced=False)),
        Mutant("weights one for all that are kept", predicted=partial(_stated, kept=False)),
        Mutant("alpha = 1/(C - 1)", measured=partial(_measured, alpha=1 / (CLASSES - 1))),
        Mutant("no row shift", measured=partial(_measured, shifted=False)),
    ),
    theory="theory.ntk.agreement_weights",
)

CLAIMS = (STRICT,)
