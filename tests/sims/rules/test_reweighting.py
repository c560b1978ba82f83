"""Training with example weights against a loop by hand: whose weights move, when, and what is recorded."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, distance

from sims.data.sampling import Split
from sims.objectives import Batch
from sims.rules import Context, bind, feature_reweighting, meta_reweighting
from sims.rules.schemes import update
from sims.train import extra_epochs, train
from spec.clean_subset import CleanEpochs, CleanSubset
from spec.rules import FeatureReweight, FixedReweight, MetaReweight, NormalisedReweight, Sgd
from spec.training import Training
from spec.validation import InputError

CASE = CASES["two layers, 3 classes"]
N, M, ETA = 6, 5, 0.3
NO_EXTRA = CleanEpochs(0)
SCHEMES = [MetaReweight(2.0, ETA), NormalisedReweight(), FeatureReweight(alpha=(1.0, 0.0), switch=1, skip=0)]


@pytest.fixture
def setting(rng):
    """(params, data, clean subset)."""
    clean = CASE.batch(rng, M)
    return CASE.params(rng), CASE.data(rng, N), Split(clean.x, clean.t, clean.t)


@partial(jax.jit, static_argnums=(3, 4, 5))
def trained(scheme, setting, key, epochs, batch, extra):
    params, data, clean = setting
    return train(
        bind(scheme, Context(data.train, clean, key)),
        Training(eta=ETA, epochs=epochs, batch=batch),
        model=CASE.model,
        loss=CASE.loss,
        params=params,
        data=data,
        observe=lambda *_: {},
        key=key,
        extra=extra_epochs(extra, clean),
    )


def run(scheme, setting, key, *, epochs=2, batch=None, extra=NO_EXTRA):
    return trained(scheme, setting, key, epochs, batch, extra)


@jax.jit
def step(scheme, w, epoch, params, part, clean):
    """(new weights of the part, params after a step with them)."""
    match scheme:
        case MetaReweight():
            c = meta_reweighting.couplings(CASE.objective, params, part, clean, w, ETA)
            new = jnp.clip(w + scheme.beta * c, 0, 1)
        case NormalisedReweight():
            new = meta_reweighting.normalised(CASE.objective, params, part, clean)
        case _:
            new = feature_reweighting.of_batch(scheme, epoch, CASE.objective, params, part, clean)
    return new, descended(params, part, new)


def loss(params, part, w):
    return jnp.mean(w * jax.vmap(CASE.loss)(CASE.model.apply(params, part.x), part.t))


def descended(params, part, w):
    return jax.tree.map(lambda p, g: p - ETA * g, params, jax.grad(loss)(params, part, w))


def by_hand(scheme, setting, key, *, epochs, batch):
    params, data, clean = setting
    w = np.full(N, 0.5)
    for epoch, k in enumerate(jax.random.split(key, (epochs, 1))[:, 0]):
        order = np.arange(N) if batch is None else np.asarray(jax.random.permutation(k, N))
        size = batch or N
        for i in range(0, N - size + 1, size):
            places = order[i : i + size]
            part = Batch(data.train.x[places], data.train.t[places])
            w[places], params = step(
                scheme, jnp.asarray(w[places]), jnp.int32(epoch), params, part, Batch(clean.x, clean.t)
            )
    return params, w


@pytest.mark.parametrize("batch", [None, 4])
@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: type(s).__name__)
def test_training_is_the_loop_written_by_hand(scheme, batch, setting, key):
    final, trajectory = run(scheme, setting, key, batch=batch)
    params, w = by_hand(scheme, setting, key, epochs=2, batch=batch)
    assert distance(final, params) < 1e-11
    noisy = np.asarray(setting[1].train.mislabelled)
    assert trajectory["clean_example_weight"][-1] == pytest.approx(w[~noisy].mean(), rel=1e-9)
    assert trajectory["mislabelled_example_weight"][-1] == pytest.approx(w[noisy].mean(), rel=1e-9, abs=1e-12)
    assert trajectory["noise_share"][-1] == pytest.approx(w[noisy].sum() / max(w.sum(), 1e-300), rel=1e-9, abs=1e-12)
    assert trajectory["first_nonfinite_step"] == -1


def test_weights_start_where_the_scheme_says(setting, key):
    for scheme, start in ((MetaReweight(1.0, ETA, 0.3), 0.3), (FeatureReweight(), 0.5)):
        assert run(scheme, setting, key, epochs=1)[1]["clean_example_weight"][0] == start


@pytest.mark.parametrize("size", [None, 2])
def test_extra_epochs_come_before_every_epoch(size, setting, key):
    """By hand, with the keys that training splits off; the weights then see the moved parameters."""
    scheme, (params, data, clean) = SCHEMES[0], setting
    final, _ = run(scheme, setting, key, extra=CleanEpochs(2, size))
    w, whole = jnp.full(N, 0.5), Batch(data.train.x, data.train.t)
    for k in jax.random.split(key, (2, 1))[:, 0]:
        for inner in jax.random.split(jax.random.fold_in(k, 0), 2):
            order = np.arange(M) if size is None else np.asarray(jax.random.permutation(inner, M))
            for i in range(0, M - (size or M) + 1, size or M):
                places = order[i : i + (size or M)]
                ones = jnp.ones(len(places))
                params = jax.jit(descended)(params, Batch(clean.x[places], clean.t[places]), ones)
        w, params = step(scheme, w, jnp.int32(0), params, whole, Batch(clean.x, clean.t))
    assert distance(final, params) < 1e-11


def test_no_extra_epochs_are_none(setting, key):
    assert extra_epochs(CleanEpochs(0), setting[2]) is None
    assert distance(run(SCHEMES[0], setting, key)[0], run(SCHEMES[0], setting, key, extra=CleanEpochs(1))[0]) > 1e-3


def test_extra_batches_must_fit(setting, key):
    with pytest.raises(InputError, match="batch must be at most the number of training examples 5, got 6"):
        run(SCHEMES[0], setting, key, extra=CleanEpochs(1, 6))


def test_one_program_serves_a_grid_of_beta(setting, key):
    """beta is a leaf: training can be vectorised over it."""

    def final_weight(beta):
        return run(MetaReweight(beta, ETA), setting, key)[1]["mislabelled_example_weight"][-1]

    betas = jnp.asarray([0.0, 0.1, 1.0])
    together = jax.vmap(final_weight)(betas)
    np.testing.assert_allclose(together, [final_weight(b) for b in betas], rtol=1e-10)
    assert together[0] == 0.5
    assert len(set(together.tolist())) == 3


def test_rules_of_different_schemes_are_different_trees(setting, key):
    _, data, clean = setting
    trees = [
        jax.tree.structure(bind(s, Context(data.train, clean, key))) for s in (*SCHEMES, FeatureReweight(switch=3))
    ]
    assert all(a != b for i, a in enumerate(trees) for b in trees[:i])


def test_fixed_weights_of_one_are_plain_training_and_of_zero_none(setting, key):
    params, data, _ = setting
    options = {"model": CASE.model, "loss": CASE.loss, "observe": lambda *_: {}}
    plain, _ = train(Sgd(), Training(eta=ETA, epochs=2), params=params, data=data, key=key, **options)
    assert distance(run(FixedReweight(1.0, 1.0), setting, key)[0], plain) < 1e-11
    assert distance(run(FixedReweight(0.0, 0.0), setting, key)[0], params) == 0


def test_the_oracle_learns_from_correct_labels_alone(setting, key):
    """By hand; training on the observed labels of the mislabelled would leave other parameters."""
    params, data, _ = setting
    final, trajectory = run(FixedReweight(), setting, key)
    w = 1.0 - data.train.mislabelled
    assert 0 < w.sum() < N
    for _ in range(2):
        params = jax.jit(descended)(params, Batch(data.train.x, data.train.t), w)
    assert distance(final, params) < 1e-11
    assert trajectory["noise_share"][-1] == 0
    assert trajectory["clean_example_weight"][-1] == 1


def test_unknown_schemes_have_no_weights():
    with pytest.raises(TypeError, match="no weights are defined for 'clip'"):
        update("clip", None, None, None, None, None)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (partial(MetaReweight, -1.0, 0.1), "beta must be a number in"),
        (partial(MetaReweight, 1.0, -0.1), "eta must be a number in"),
        (partial(MetaReweight, 1.0, 0.1, 2.0), "initial must be a number in"),
        (partial(MetaReweight, "much", 0.1), "beta must be a number in"),
        (partial(FeatureReweight, alpha=0.1), "alpha must be two numbers, or None, got 0.1"),
        (partial(FeatureReweight, alpha=(0.1, -1.0)), "alpha must be a number in"),
        (partial(FeatureReweight, switch=-1), "switch must be an integer >= 0"),
        (partial(FeatureReweight, skip=0.5), "skip must be an integer >= 0"),
        (partial(FeatureReweight, rate=0.0), "rate must be a number in"),
        (partial(FeatureReweight, threshold=1.0), "threshold must be a number in"),
        (partial(FixedReweight, -1.0), "clean must be a number in"),
        (partial(FixedReweight, 1.0, -1.0), "mislabelled must be a number in"),
        (partial(CleanSubset, 0), "m must be an integer >= 1"),
        (partial(CleanSubset, 5, 1.0), "wrong must be a number in"),
        (partial(CleanEpochs, -1), "epochs must be an integer >= 0"),
        (partial(CleanEpochs, 1, 0), "batch must be an integer >= 1"),
    ],
)
def test_records_name_wrong_values(record, message):
    with pytest.raises(InputError, match=message):
        record()
