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
    """Stacked batches of off-centre features; clean subsets with 2 to 8 examples a class; a third of t wrong.

    A kept example has a weight below one only if it leads by less than the smallest lag of its batch. Such examples do
    not become more in larger batches, and often there is none: one batch does not tell what the weights are.
    """
    rng, p = np.random.default_rng(sample.seed), sample.count
    centres = rng.normal(size=(p, CLASSES, 6))
    y, y_clean = rng.integers(0, CLASSES, (p, 60)), np.tile(np.repeat(np.arange(CLASSES), (8, 3, 2, 5)), (p, 1))
    phi, phi_clean = (
        np.take_along_axis(centres, c[..., None], axis=1) + 0.7 * rng.normal(size=(*c.shape, 6)) + 2
        for c in (y, y_clean)
    )
    t = np.where(np.arange(60) % 3 == 0, (y + rng.integers(1, CLASSES, y.shape)) % CLASSES, y)
    return Features(phi, t, phi_clean, y_clean, CLASSES)


def _measured(case: Features, *, alpha: float = 0.0, shifted: bool = True) -> FloatArray:
    eye = jnp.eye(case.classes)
    arrays = (case.phi, eye[case.t], case.phi_clean, eye[case.t_clean])
    return np.asarray(_weights(FeatureReweight(shifted=shifted), alpha, *map(jnp.asarray, arrays)))


@partial(jax.jit, static_argnums=0)
def _weights(scheme: FeatureReweight, alpha: Any, *arrays: jax.Array) -> jax.Array:
    def one(phi: Any, one_hot: Any, phi_clean: Any, clean: Any) -> jax.Array:
        K = feature_reweighting.agreements(scheme, phi, phi_clean, clean)
        return feature_reweighting.weights(scheme, feature_reweighting.directions(K, one_hot, alpha))

    return jax.vmap(one)(*arrays)


def _batches(case: Features) -> Any:
    return zip(case.phi, case.t, case.phi_clean, case.t_clean, strict=True)


def _kernel(phi: FloatArray, phi_clean: FloatArray, counts: Any, t_clean: Any) -> FloatArray:
    """The kernel centred at the mean of the class means, for counts (C,) of the classes."""
    kernel, among = phi @ phi_clean.T, phi_clean @ phi_clean.T
    share = 1 / counts[t_clean]
    return ntk.centred(kernel, kernel, among, among, share / share.sum())


def _stated(case: Features, *, centred: bool = True, balanced: bool = True, kept: bool = True) -> FloatArray:
    """agreement_weights of the centred kernel, every class alike in the centre; the arguments make mutants."""
    rows = []
    for phi, t, phi_clean, t_clean in _batches(case):
        counts = np.bincount(t_clean) if balanced else np.ones(case.classes)
        kernel = _kernel(phi, phi_clean, counts, t_clean) if centred else phi @ phi_clean.T
        rows.append(ntk.agreement_weights(kernel, t, t_clean, case.classes))
    w = np.stack(rows)
    return w if kept else np.where(w > 0, 1.0, 0.0)


def _condition(case: Features) -> FloatArray:
    """The largest |<phi_i, phi_j>| of a batch over the smallest lag, (p, 1): a weight divides a difference by it."""
    rows = []
    for phi, t, phi_clean, t_clean in _batches(case):
        kernel = _kernel(phi, phi_clean, np.bincount(t_clean), t_clean)
        K = np.stack([kernel[:, t_clean == c].mean(axis=1) for c in range(case.classes)], axis=1)
        lag = np.sort(K, axis=1)[:, -2] - K[np.arange(len(t)), t]
        rows.append(np.abs(phi @ phi_clean.T).max() / lag[lag > 0].min(initial=np.inf))
    return np.array(rows)[:, None]


STRICT = Claim(
    id="zhang2025.fbr_strict",
    origin="derived",
    source="derived here; FBR as in the first author's code",
    statement="At alpha = 0 FBR keeps exactly the examples whose own class has the centred class mean that agrees most "
    "with them, with weight min(1, 1/2 + lead/(2 smallest lag)), and gives all others 0.",
    regime="a clean example of every class, as many or not; adaptive rate and threshold 1/2, as released",
    tolerance=Exact(condition=_condition),
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
