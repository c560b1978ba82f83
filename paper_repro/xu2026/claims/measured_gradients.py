"""The measured side of the claims: gradients of the linear model through the rules, on sampled problems."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from paper_repro.shared.drawn import samples
from paper_repro.shared.logistic_cases import LINEAR, Case
from sims import objectives, programs, rules
from sims.rules.bound import Labelled
from sims.rules.compensation import noise_gradient
from spec.claims import Sample
from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.rules import CompensationSchedule, NoiseCompensated, OracleSelection, Sam, Selection, Sgd
from spec.seeds import named_seed

FloatArray = NDArray[np.float64]
Law = SignalNoiseMixture | NoisyLinearTeacher
AT_ONCE = CompensationSchedule(epochs=1, steps=1)
BLOCK = 8  # seeds that are simulated side by side

# Asymmetric and non-unit on purpose; flips at random, as the formulas for batches need them.
ISOTROPIC = SignalNoiseMixture(n=4000, d=6, B=1.3, gamma=0.8, Delta=0.2, flips="bernoulli")
ORTHOGONAL = SignalNoiseMixture(n=4000, d=6, B=0.9, gamma=1.1, Delta=0.35, noise="orthogonal", flips="bernoulli")
TEACHER = NoisyLinearTeacher(n=4000, d=6, Delta=0.3, flips="bernoulli")
LAWS: tuple[Law, ...] = (ISOTROPIC, ORTHOGONAL, TEACHER)
OURS = "derived here for the setting of Xu et al. (2026)"
ANY = "logistic regression, any w, x and labels"


class Point(NamedTuple):
    """A law and a classifier at which something is measured."""

    law: Law
    w: FloatArray


def for_every_seed(sample: Sample, one: Callable[..., Any], *laws: Law) -> FloatArray:
    """one(key, *splits) for `count` independent keys and samples of the laws, stacked; BLOCK at a time.

    Compiled for one use: that takes longer than to run.
    """
    keys = jax.random.split(jax.random.key(sample.seed), sample.count)
    splits = [labelled(law, sample) for law in laws]
    return np.asarray(programs.call(_mapped, (one,), (keys, *splits), options=programs.FOR_ONCE))


def _mapped(one: Callable[..., Any], rows: Any) -> jax.Array:
    return jax.lax.map(lambda row: one(*row), rows, batch_size=BLOCK)


def labelled(law: Law, sample: Sample) -> Labelled:
    """`count` training splits of a law with their true labels, stacked; those of other laws are independent."""
    return Labelled(*samples(law, np.random.default_rng(named_seed(f"{sample.seed}/{law}")), sample.count))


def cut(split: Labelled, batch: int) -> Labelled:
    """The split in consecutive batches, without a remainder: leaves (n // batch, batch, ...)."""
    return jax.tree.map(lambda a: a[: len(a) // batch * batch].reshape(-1, batch, *a.shape[1:]), split)


def plain_gradient(w: Any, x: jax.Array, labels: jax.Array) -> jax.Array:
    """The gradient of the mean logistic loss, (d,)."""
    return rules.gradient(Sgd(), (), LINEAR, {"w": jnp.asarray(w)}, objectives.Batch(x, labels))[0]["w"]


def pair(w: Any, split: Labelled) -> tuple[jax.Array, jax.Array]:
    """Gradients under true and under observed labels of the same examples."""
    return plain_gradient(w, split.x, split.y), plain_gradient(w, split.x, split.t)


def record_of(selection: Selection, **changes: Any) -> NoiseCompensated:
    """A record that is only asked for its noise gradient."""
    return NoiseCompensated(Sam(0.1, "batch"), 1.0, AT_ONCE, selection, **changes)


def flipped_gradient(w: Any, split: Labelled, key: jax.Array, precision: float, fraction: float = 0.1) -> jax.Array:
    """g*: the gradient of a selection of the given precision under flipped labels, (d,)."""
    record = record_of(OracleSelection(fraction, precision))
    return noise_gradient(record, LINEAR, {"w": jnp.asarray(w)}, split, key)["w"]


def angle(u: jax.Array, v: jax.Array) -> jax.Array:
    """The angle between two vectors, in radians."""
    u, v = u / jnp.linalg.norm(u), v / jnp.linalg.norm(v)
    return 2 * jnp.arctan2(jnp.linalg.norm(u - v), jnp.linalg.norm(u + v))


def true_labels(case: Case) -> FloatArray:
    """y of a Case, whose t is observed, (k, n)."""
    return np.where(case.mislabelled, -case.t, case.t)


@partial(jax.jit, static_argnums=0)
def _for_every_case(one: Callable[..., Any], arrays: tuple[Any, ...]) -> Any:
    return jax.vmap(one)(*arrays)


def for_every_case(case: Case, one: Callable[..., Any]) -> FloatArray:
    """one(w, x, t, y, rho) for every problem of a case, stacked. `one` should be a function that is defined once."""
    return np.asarray(_for_every_case(one, (case.w, case.x, case.t, true_labels(case), case.rho)))


def classifiers(sample: Sample) -> tuple[Sample, tuple[Point, ...]]:
    """The sample, and two classifiers for every law, off every axis."""
    rng = np.random.default_rng(sample.seed)
    first = np.eye(6)[0]
    return sample, tuple(Point(law, 0.15 * rng.normal(size=6) + a * first) for law in LAWS for a in (0.3, 0.9))


def orthonormal(sample: Sample, n: int = 20, d: int = 24) -> tuple[FloatArray, FloatArray]:
    """`count` sets of n orthonormal inputs (k, n, d), and true labels (k, n)."""
    rng = np.random.default_rng(sample.seed)
    x = np.linalg.qr(rng.normal(size=(sample.count, d, n)))[0].transpose(0, 2, 1)
    return x, np.where(rng.uniform(size=(sample.count, n)) < 0.4, 1.0, -1.0)


def once(run: Callable[[Any], xr.Dataset]) -> Callable[[Any, Any], xr.Dataset]:
    """The run of an experiment that has one part."""
    return lambda config, parts: parts.map(run, [config])[0]
