"""Claims on the signal-plus-noise mixture: exact expectations against simulated samples. Ours, not the paper's."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.baek2024.simulated import LINEAR, draws, margin_falls
from sims import models, observables, rules
from sims.data import sample as draw
from sims.train import train
from spec.claims import Asymptotic, Claim, MonteCarlo, Mutant, Ordering, Sample
from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.rules import Sam
from spec.training import Training
from theory import mixture

OURS = "derived here for the toy data of Baek et al. (2024), Section 3"

# Asymmetric and non-unit on purpose.
ISOTROPIC = SignalNoiseMixture(n=80, d=50, B=1.3, gamma=0.8, Delta=0.3)
ORTHOGONAL = SignalNoiseMixture(n=80, d=50, B=1.3, gamma=0.8, Delta=0.15, noise="orthogonal")
BERNOULLI = SignalNoiseMixture(n=60, d=40, B=1.7, gamma=1.1, Delta=0.2, flips="bernoulli")
TEACHER = NoisyLinearTeacher(n=50, d=20)


class Classifiers(NamedTuple):
    """Fixed classifiers, independent of every sample, and the sample that measures them."""

    w: np.ndarray
    sample: Sample


def _classifiers(sample: Sample, d: int = 50) -> Classifiers:
    """Four classifiers with overlaps of both signs with the signal."""
    rng = np.random.default_rng(sample.seed)
    w = rng.normal(size=(4, d)) / np.sqrt(d)
    w[:, 0] = [0.4, -0.3, 1.1, 0.9]
    return Classifiers(w, sample)


_LAWS: tuple[Any, ...] = (ISOTROPIC, ORTHOGONAL, TEACHER)


def _stated_accuracies(c: Classifiers, laws: tuple[Any, ...] = _LAWS) -> np.ndarray:
    return np.concatenate([mixture.accuracy(law, c.w[:, : law.d]) for law in laws])


def _sampled_accuracies(c: Classifiers) -> np.ndarray:
    columns = []
    for law in _LAWS:
        test = draws(law, c.sample, n_test=2000).test
        logits = jnp.einsum("snd,kd->skn", test.x, c.w[:, : law.d])
        columns.append(np.mean(np.sign(logits) == test.y[:, None, :], axis=2))
    return np.concatenate(columns, axis=1)


EXACT_ACCURACY = Claim(
    id="baek2024.exact_test_accuracy",
    origin="derived",
    source=OURS,
    statement="Test accuracy of any w: Phi(B w_1/sqrt(gamma_1^2 w_1^2 + gamma^2||w_perp||^2)); 1 - angle/pi (teacher).",
    regime="clean test labels; isotropic and orthogonal noise, linear teacher",
    tolerance=MonteCarlo(),
    setup=_classifiers,
    predicted=_stated_accuracies,
    measured=_sampled_accuracies,
    mutants=(
        Mutant(
            "noise along the signal ignored or invented",
            predicted=partial(_stated_accuracies, laws=(ORTHOGONAL, ISOTROPIC, TEACHER)),
        ),
        Mutant("signal reversed", predicted=lambda c: 1 - _stated_accuracies(c)),
    ),
    theory="theory.mixture.accuracy",
    figure="baek2024.toy_curves",
)

_MEAN_LAWS = (ISOTROPIC, ORTHOGONAL, BERNOULLI)


def _stated_mean_accuracies(s: Sample, laws: tuple[SignalNoiseMixture, ...] = _MEAN_LAWS) -> np.ndarray:
    return np.array([mixture.mean_classifier_accuracy(law).value for law in laws])


def _large_rho_accuracies(s: Sample, rho: float = 100.0) -> np.ndarray:
    """Sampled test accuracy after one 1-SAM step from the origin at a very large rho."""

    def one(law: Any, key: Any) -> Any:
        d = draw(law, key, dtype=jnp.float64, n_test=1000)
        params = {"w": jnp.zeros(law.d)}
        g, _ = rules.gradient(Sam(rho), (), LINEAR, params, rules.Batch(d.train.x, d.train.t))
        return jnp.mean(jnp.sign(-d.test.x @ g["w"]) == d.test.y)

    keys = jax.random.split(jax.random.key(s.seed), (4, s.count))  # four data sets for each seed: less noise
    columns = [jax.jit(jax.vmap(jax.vmap(partial(one, law))))(keys).mean(axis=0) for law in _MEAN_LAWS]
    return np.stack(columns, axis=1)


def _without_flips(law: SignalNoiseMixture) -> SignalNoiseMixture:
    return SignalNoiseMixture(**{**law.__dict__, "Delta": 0.0})


MEAN_CLASSIFIER = Claim(
    id="baek2024.mean_classifier",
    origin="derived",
    source=OURS,
    statement="1-SAM at rho -> inf learns mean t x; its expected test accuracy is one Gaussian-chi expectation.",
    regime="from w = 0; both noise kinds, stratified and Bernoulli flips, any n and d",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_stated_mean_accuracies,
    measured=_large_rho_accuracies,
    mutants=(
        Mutant(
            "label noise ignored",
            predicted=lambda s: _stated_mean_accuracies(s, tuple(map(_without_flips, _MEAN_LAWS))),
        ),
        Mutant(
            "signal shrinks by 1 - Delta, not 1 - 2 Delta",
            predicted=lambda s: _stated_mean_accuracies(
                s, tuple(SignalNoiseMixture(**{**m.__dict__, "Delta": m.Delta / 2}) for m in _MEAN_LAWS)
            ),
        ),
    ),
    theory="theory.mixture.mean_classifier_accuracy",
    figure="baek2024.toy_gain",
)

_RHO = 0.25


def _stated_group_norms(c: Classifiers, rho: float = _RHO, swap: bool = False) -> np.ndarray:
    """Expected 1-SAM gradient norm of clean and mislabelled fresh examples, for both noise kinds."""
    return np.array(
        [
            mixture.expected_gradient_norm(law, w, rho, mislabelled=m != swap).value
            for law in (ISOTROPIC, ORTHOGONAL)
            for w in c.w[:3]
            for m in (False, True)
        ]
    )


def _sampled_group_norms(c: Classifiers, rho: float = _RHO) -> np.ndarray:
    columns = []
    for law in (ISOTROPIC, ORTHOGONAL):
        train_split = draws(law, c.sample).train
        for w in c.w[:3]:
            columns += list(_group_norms(train_split, jnp.asarray(w), rho))
    return np.stack([np.asarray(column) for column in columns], axis=1)


@jax.jit
def _group_norms(split: Any, w: Any, rho: Any) -> Any:
    def one(split: Any) -> Any:
        norms, _ = rules.contributions(Sam(rho), LINEAR, {"w": w}, rules.Batch(split.x, split.t))
        return observables.by_group(norms, split)

    return jax.vmap(one)(split)


POPULATION_NORMS = Claim(
    id="baek2024.population_gradient_norms",
    origin="derived",
    source=OURS,
    statement="Mean clean and mislabelled 1-SAM gradient norms are E[sigma(rho||x|| - z)||x||], jointly in z, ||x||.",
    regime="w independent of the examples; finite d, no large-d approximation",
    tolerance=MonteCarlo(),
    setup=_classifiers,
    predicted=_stated_group_norms,
    measured=_sampled_group_norms,
    mutants=(
        Mutant("groups exchanged", predicted=partial(_stated_group_norms, swap=True)),
        Mutant("rho doubled", predicted=partial(_stated_group_norms, rho=2 * _RHO)),
        Mutant("SGD instead of 1-SAM", measured=partial(_sampled_group_norms, rho=0.0)),
    ),
    theory="theory.mixture.expected_gradient_norm",
    figure="baek2024.clean_noisy_ratio",
)


def _ratio_gains(c: Classifiers, swap: bool = False) -> np.ndarray:
    """log R(rho = 0.4) - log R(rho = 0.05) of the mean example weights on fresh samples, one row for each seed."""
    split = draws(ISOTROPIC, c.sample).train

    @jax.jit
    def log_ratio(w: Any, rho: Any) -> Any:
        def one(split: Any) -> Any:
            _, weight = rules.contributions(Sam(rho), LINEAR, {"w": w}, rules.Batch(split.x, split.t))
            clean, noisy = observables.by_group(weight, split)
            return jnp.log(clean / noisy)

        return jax.vmap(one)(split)

    columns = [log_ratio(jnp.asarray(w), 0.4) - log_ratio(jnp.asarray(w), 0.05) for w in c.w]
    return np.stack([np.asarray(column) for column in columns], axis=1) * (-1 if swap else 1)


POPULATION_SIGN = Claim(
    id="baek2024.population_sign",
    origin="derived",
    source=OURS,
    statement="In population a larger rho raises the clean/mislabelled ratio exactly when w points towards the signal.",
    regime="mixture, w independent of the examples; proved for a common shift C, measured with C = rho||x||",
    tolerance=Ordering(),
    setup=_classifiers,
    predicted=lambda c: np.sign([mixture.fixed_shift_ratio_log_slope(ISOTROPIC, w, 1.0) for w in c.w]),
    measured=_ratio_gains,
    mutants=(Mutant("always raises", predicted=lambda c: np.ones(len(c.w))),),
    theory="theory.mixture.fixed_shift_ratio_log_slope",
    figure="baek2024.clean_noisy_ratio",
)


def _measured_shifts(law: SignalNoiseMixture, s: Sample, own: bool = False) -> np.ndarray:
    """Group means (clean, mislabelled) of the margin falls at w = 0, one row for each seed; own: under 1-SAM."""

    def one(split: Any) -> Any:
        falls = margin_falls(Sam(0.7, "batch"), jnp.zeros(law.d), rules.Batch(split.x, split.t))
        return jnp.stack(observables.by_group(falls, split))

    def one_by_one(split: Any) -> Any:
        fall = jax.vmap(lambda x, t: margin_falls(Sam(0.7), jnp.zeros(law.d), rules.Batch(x[None], t[None]))[0])
        return jnp.stack(observables.by_group(fall(split.x, split.t), split))

    def draw_and_measure(key: Any) -> Any:
        return (one_by_one if own else one)(draw(law, key, dtype=jnp.float64, n_test=1).train)

    keys = jax.random.split(jax.random.key(s.seed), s.count)
    return np.asarray(jax.jit(partial(jax.lax.map, draw_and_measure, batch_size=8))(keys))  # large n: few at a time


def _stated_shifts(s: Sample, swap: bool = False, laws: tuple[Any, ...] = (ISOTROPIC, ORTHOGONAL)) -> np.ndarray:
    groups = (True, False) if swap else (False, True)
    return np.array([mixture.batch_shift_at_zero(law, 0.7, mislabelled=m).value for law in laws for m in groups])


SHIFT_AT_ZERO = Claim(
    id="baek2024.batch_shift_at_zero",
    origin="derived",
    source=OURS,
    statement="Expected n-SAM margin shifts of clean and mislabelled examples at w = 0, as one expectation, exactly.",
    regime="stratified flips, any n and d, both noise kinds",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_stated_shifts,
    measured=lambda s: np.concatenate([_measured_shifts(law, s) for law in (ISOTROPIC, ORTHOGONAL)], axis=1),
    mutants=(
        Mutant("groups exchanged", predicted=partial(_stated_shifts, swap=True)),
        Mutant(
            "label noise ignored",
            predicted=lambda s: _stated_shifts(s, laws=(_without_flips(ISOTROPIC), _without_flips(ORTHOGONAL))),
        ),
        Mutant(
            "1-SAM's shifts rho||x||",
            measured=lambda s: np.concatenate(
                [_measured_shifts(law, s, own=True) for law in (ISOTROPIC, ORTHOGONAL)], 1
            ),
        ),
    ),
    theory="theory.mixture.batch_shift_at_zero",
)


_SIZES = (25, 50, 100, 200, 400)


def _law_of_size(n: int) -> SignalNoiseMixture:
    return SignalNoiseMixture(n=n, d=2 * n, B=1.3, gamma=0.8, Delta=0.2)


def _stated_limits(s: Sample, swap: bool = False, noise: float = 1.0) -> np.ndarray:
    """The n, d -> inf formula of the clean shift at every size (it depends on (d - 1)/n only)."""
    laws = [_law_of_size(n) for n in _SIZES]
    quieter = [SignalNoiseMixture(**{**law.__dict__, "gamma": law.gamma * noise}) for law in laws]
    return np.array([mixture.batch_shift_at_zero_limit(law, 0.7, mislabelled=swap) for law in quieter])


SHIFT_RATE = Claim(
    id="baek2024.batch_shift_rate",
    origin="derived",
    source=OURS,
    statement="n-SAM shifts of one sample tend to rho(B^2(1-2D) + h^2)/sqrt(B^2(1-2D)^2 + h^2) at rate n^(-1/2).",
    regime="w = 0, n and d -> inf with d/n = 2, h^2 = gamma^2 (d-1)/n",
    tolerance=Asymptotic(sizes=_SIZES, exponent=-0.5, wrong_exponents=(0.0, -1.0)),
    setup=lambda s: Sample(s.seed, 2 * s.count),
    predicted=_stated_limits,
    measured=lambda s: np.stack([_measured_shifts(_law_of_size(n), s)[:, 0] for n in _SIZES], axis=1),
    mutants=(
        Mutant("groups exchanged", predicted=partial(_stated_limits, swap=True)),
        Mutant("noise 20 % too small", predicted=partial(_stated_limits, noise=0.8)),
    ),
    theory="theory.mixture.batch_shift_at_zero_limit",
)

TOY = SignalNoiseMixture(n=60, d=120, B=2.0, gamma=1.0, Delta=0.3, noise="orthogonal")


def _best_accuracies(s: Sample, *rhos: float) -> np.ndarray:
    """Best exact test accuracy along the path of 1-SAM (rho = 0: GD), (seeds, rhos)."""
    model = models.linear(TOY.d)

    def path(key: Any, rho: Any) -> Any:
        data_key, start, order = jax.random.split(key, 3)
        _, record = train(
            Sam(rho),
            Training(eta=0.1, epochs=160, record_every=2),
            model=model,
            loss=rules.logistic,
            params=model.init(start, jnp.float64),
            data=draw(TOY, data_key, dtype=jnp.float64, n_test=1),
            observe=observables.overlaps,
            key=order,
        )
        return record["signal_overlap"], record["noise_norm"]

    keys = jax.random.split(jax.random.key(s.seed), s.count)
    # One run at a time: on a CPU vectorised perturbed copies only fill the cache.
    paths = jax.jit(lambda rho: jax.lax.map(lambda key: path(key, rho), keys))
    overlaps = [map(np.asarray, paths(rho)) for rho in rhos]
    return np.stack([mixture.accuracy_of_overlaps(TOY, *o).max(axis=1) for o in overlaps], axis=1)


TOY_GAIN = Claim(
    id="baek2024.toy_gain",
    origin="paper",
    source="Baek et al. (2024), Section 3 (linear experiment), as reported in summaries",
    statement="On the linear toy 1-SAM reaches a higher best test accuracy than GD, the more so the larger rho.",
    regime="n=60, d=120, B=2, Delta=0.3, random initialisation; early-stopped accuracy, not the final one",
    tolerance=Ordering(),
    setup=lambda s: s,
    predicted=lambda s: np.ones(2),
    measured=lambda s: np.diff(_best_accuracies(s, 0.0, 0.1, 0.3), axis=1),
    mutants=(
        Mutant("descent instead of ascent", measured=lambda s: np.diff(_best_accuracies(s, 0.0, -0.1, -0.3), axis=1)),
    ),
    theory="theory.logistic.amplification",
    figure="baek2024.toy_gain",
)

CLAIMS = (
    EXACT_ACCURACY,
    MEAN_CLASSIFIER,
    POPULATION_NORMS,
    POPULATION_SIGN,
    SHIFT_AT_ZERO,
    SHIFT_RATE,
    TOY_GAIN,
)
