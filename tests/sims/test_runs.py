"""Training as a library call: the loop it stands for, its labels, its programs, and runs that diverge."""

import doctest
import gc
import os
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Barrier

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from sims import objectives, programs, rules, runs, simulate
from sims.data import real_data, sampling
from sims.divergence import marked
from sims.models import networks
from sims.observables import scalars
from sims.train import extra_epochs, train
from spec.clean_subset import CleanEpochs, CleanSubset
from spec.networks import Linear, Mlp
from spec.observables import Accuracies, GradientNorms, Losses, Overlaps
from spec.problems import RealData, SignalNoiseMixture, SymmetricNoise
from spec.rules import FeatureReweight, Sam, Sgd
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training
from spec.validation import InputError

PROBLEM = SignalNoiseMixture(n=12, d=5, B=2.0, Delta=0.25)
TRAINING = Training(eta=0.2, epochs=4, batch=5, momentum=0.5, weight_decay=0.01, schedule="cosine", record_every=2)
RUN = TrainingRun(Sam(0.1), PROBLEM, Linear(), TRAINING, (Losses(), GradientNorms()), (0, 1, 2), "float64")
DIGITS = RealData(n_train=60, n_validation=80, noise=SymmetricNoise(0.3))
SHORT = Training(eta=0.2, epochs=2, batch=20)
FEATURES = FeatureReweight(alpha=(1.0, 0.0), switch=1, skip=0)
WEIGHTED = TrainingRun(
    FEATURES, DIGITS, Mlp((4,)), SHORT, (Losses(),), (0, 1), "float64", CleanSubset(30), CleanEpochs(2, 10)
)


@pytest.fixture
def seeds(seed):
    return named_seeds(str(seed), 3)


@cache
def whole(run, kind):
    """The same as one traced function around sims.train."""
    real = isinstance(run.problem, RealData)
    source = real_data.load(run.problem) if real else None
    size, classes = (source.x.shape[1], source.classes) if real else (run.problem.d, None)
    model = networks.build(run.network, size, classes)

    def trajectory(rule, key):
        draw, start, order = jax.random.split(key, 3)
        data, clean = sampling.sample(run.problem, draw, dtype=jnp.float64, source=source), None
        if run.clean is not None:
            data, clean = sampling.set_aside(data, run.clean, classes, jax.random.fold_in(key, 4))
        return train(
            rules.bind(rule, rules.Context(data.train, clean, jax.random.fold_in(key, 3))),
            run.training,
            model=model,
            loss=objectives.cross_entropy if real else objectives.logistic,
            params=model.init(start, jnp.float64),
            data=data,
            observe=scalars.together(*map(scalars.observable, run.observe)),
            key=order,
            extra=clean and extra_epochs(run.extra, clean),
        )[1]

    return jax.jit(trajectory)


@pytest.mark.parametrize("run", [RUN, WEIGHTED], ids=["batches", "scheme and extra epochs"])
def test_a_run_is_a_loop_over_trainings(run, seeds):
    run = replace(run, seeds=seeds[:2])
    dataset = simulate(run)
    for seed in run.seeds:
        expected = whole(replace(run, seeds=()), None)(run.rule, jax.random.key(seed))
        here = dataset.sel(seed=seed)
        assert set(here.data_vars) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(here[name].values, value, rtol=1e-10, atol=1e-12)


def test_labels(seeds):
    dataset = simulate(replace(RUN, seeds=seeds))
    assert dataset["clean_loss"].dims == dataset["mislabelled_weight"].dims == ("seed", "epoch")
    assert dataset["first_nonfinite_step"].dims == ("seed",)
    assert tuple(dataset["seed"].values) == seeds
    assert tuple(dataset["epoch"].values) == (0, 2, 4)
    assert dataset["clean_loss"].dtype == np.float64
    assert "diverged" not in dataset.attrs


def test_single_precision_stays_single(seeds):
    assert simulate(replace(RUN, seeds=seeds[:1], dtype="float32"))["clean_loss"].dtype == np.float32


def test_a_seed_is_the_same_under_every_rule(seeds):
    """The loss before training depends on the seed alone."""
    losses = [simulate(replace(RUN, seeds=seeds, rule=rule))["clean_loss"] for rule in (Sgd(), Sam(0.1), Sam(0.4))]
    start, end = (np.stack([values.isel(epoch=k) for values in losses]) for k in (0, -1))
    assert (start == start[:1]).all()
    assert len(set(start[0])) == 3
    assert np.ptp(end, axis=0).min() > 0


@pytest.mark.parametrize("block", [2, 3])
def test_blocks_agree_to_rounding(block, seeds):
    """Three seeds: in blocks of two, the last one filled up, and in one block; singly by default on a CPU."""
    run = replace(RUN, seeds=seeds)
    found = simulate(run, block=block)
    xr.testing.assert_allclose(found, simulate(run, block=1), rtol=1e-12, atol=1e-14)
    xr.testing.assert_identical(found, simulate(run, block=block))


ON_EIGHT = """
import sys

import jax

jax.config.update("jax_enable_x64", True)
from sims import over_seeds, simulate
from tests.sims.test_runs import RUN, replace

run, folder = replace(RUN, seeds=tuple(map(int, sys.argv[2:]))), sys.argv[1]
for block, devices in ((1, 3), (2, 2)):
    spread = over_seeds.spread(3, block)
    (keys,) = spread.split([jax.random.key(seed) for seed in run.seeds])
    data = spread.call(lambda _, key: jax.random.key_data(key), (), None, keys, options=())
    assert [len(shard.data) for shard in data.addressable_shards] == [block] * devices
    assert len(data.sharding.device_set) == devices
    simulate(run, block=block).to_netcdf(f"{folder}/{block}.nc")
"""


def test_devices_that_share_the_seeds_give_the_numbers_of_one(seeds, tmp_path):
    """Of eight devices, three seeds in blocks of one take three, and in blocks of two, the last one filled up, two."""
    environment = os.environ | {"XLA_FLAGS": os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=8"}
    command = [sys.executable, "-c", ON_EIGHT, str(tmp_path), *map(str, seeds)]
    root = Path(__file__).parents[2]
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    for block in (1, 2):
        with xr.open_dataset(tmp_path / f"{block}.nc") as found:
            xr.testing.assert_identical(found.load(), simulate(replace(RUN, seeds=seeds), block=block))


def test_threads_give_the_same_numbers(seeds):
    units = [replace(RUN, seeds=seeds, rule=rule) for rule in (Sgd(), Sam(0.1), Sam(0.4))]
    with ThreadPoolExecutor(3) as threads:
        side_by_side = list(threads.map(simulate, units))
    for found, unit in zip(side_by_side, units, strict=True):
        xr.testing.assert_identical(found, simulate(unit))


def test_short_runs_are_compiled_for_one_use(seeds):
    short = replace(RUN, seeds=seeds, training=replace(RUN.training, epochs=4, record_every=1))
    assert runs._options(short) == programs.FOR_ONCE
    long = replace(short, training=replace(short.training, epochs=runs.SHORT))
    assert runs._options(long) == programs.FOR_LOOPS
    assert runs._of(runs._initial, programs.FOR_ONCE) == programs.FOR_LOOPS


def test_at_least_one_seed():
    with pytest.raises(InputError, match=r"seeds must be at least one seed, got \(\)"):
        simulate(replace(RUN, seeds=()))


@pytest.mark.parametrize("block", [0, -1, 2.0])
def test_a_block_is_a_positive_integer(block):
    with pytest.raises(InputError, match="block must be an integer >= 1"):
        simulate(RUN, block=block)


def test_a_batch_cannot_exceed_the_examples():
    with pytest.raises(InputError, match="batch must be at most the number of training examples 12, got 13"):
        simulate(replace(RUN, training=replace(TRAINING, batch=13)))


def test_the_example_in_the_documentation_runs():
    assert doctest.testmod(runs) == doctest.TestResults(failed=0, attempted=8)


# ---------------------------------------------------------------- programs


def compiled():
    return {key[0].__name__ for key in programs._kept}, len(programs._kept)


def test_rules_differ_by_two_programs_and_a_grid_of_one_rule_by_none(seeds):
    run = replace(RUN, seeds=seeds, observe=(Losses(), Overlaps()))
    programs.forget()
    simulate(run)
    names, count = compiled()
    assert names == {"_sampled", "_places", "_initial", "_begun", "_trained", "_observed"}
    assert count == len(names)
    simulate(replace(run, rule=Sam(0.7), problem=PROBLEM, seeds=seeds[:1]))
    assert compiled() == (names, count)
    simulate(replace(run, rule=Sgd()))
    assert compiled() == (names, count + 2)
    simulate(replace(run, observe=(Losses(), Overlaps(), GradientNorms())))
    assert compiled() == (names, count + 3)


def test_a_program_is_compiled_once_by_threads_that_ask_together():
    traced, together = [], Barrier(4)

    def function(shift, x):
        traced.append(shift)
        return x + shift

    def ask(_):
        together.wait()
        return float(programs.call(function, (2.0,), np.float64(1.0)))

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(4))) == [3.0] * 4
    assert traced == [2.0]
    assert programs.call(function, (3.0,), np.float64(1.0)) == 4
    assert programs.call(function, (2.0,), np.zeros(2)).shape == (2,)
    assert traced == [2.0, 3.0, 2.0]


def test_what_cannot_be_compiled_says_so_every_time():
    def function(x):
        raise InputError("x must be something else")

    for _ in range(2):
        with pytest.raises(InputError, match="something else"):
            programs.call(function, (), np.zeros(3))


def test_old_programs_are_forgotten():
    """A long run of many programs would otherwise die for want of memory maps."""
    alive = []
    for k in range(programs.PROGRAMS + 3):

        def function(x, k=k):
            return x + k

        programs.call(function, (), np.float64(1.0))
        alive.append(weakref.ref(function))
        del function
    gc.collect()
    assert sum(ref() is not None for ref in alive) == programs.PROGRAMS
    programs.forget()
    gc.collect()
    assert not any(ref() for ref in alive)


# ---------------------------------------------------------------- runs that diverge


def test_training_that_diverges_is_named_with_its_rule_its_problem_and_all_its_seeds(seeds):
    """Weight decay multiplies the weights by about -1e30 in every step: two of them are too many."""
    training = Training(eta=1e30, epochs=4, weight_decay=1.0)
    run = replace(RUN, seeds=seeds[:2], training=training, rule=Sam(0.125), dtype="float32")
    dataset = simulate(run)
    lines = dataset.attrs["diverged"].splitlines()
    for line, seed in zip(lines, run.seeds, strict=True):
        assert line.startswith("gradient is not finite at step 2 (1-SAM, rho=0.125, SignalNoiseMixture, Delta=0.25")
        assert f"seed={seed}" in line
    assert dataset["first_nonfinite_step"].values.tolist() == [2, 2]
    assert np.isfinite(dataset["clean_loss"]).values.tolist() == [[True, True, False, False, False]] * 2


def records(values, first):
    dims = ("seed", "epoch")
    coords = {"seed": [3, 5], "epoch": [0, 2, 4]}
    return xr.Dataset({"loss": (dims, values), "first_nonfinite_step": (dims, first)}, coords)


def test_finite_seeds_keep_their_numbers():
    run = replace(RUN, seeds=(3, 5))
    values = np.arange(6.0).reshape(2, 3)
    found = marked(records(values, [[-1, -1, -1], [-1, 17, 17]]), run)
    np.testing.assert_array_equal(found["loss"], [[0, 1, 2], [3, np.nan, np.nan]])
    assert found["first_nonfinite_step"].values.tolist() == [-1, 17]
    assert found.attrs["diverged"].count("\n") == 0
    for part in ("step 17", "rho=0.1", "Delta=0.25", "seed=5"):
        assert part in found.attrs["diverged"]
    assert "diverged" not in marked(records(values, np.full((2, 3), -1)), run).attrs


def test_a_quantity_that_is_not_finite_is_named():
    values = np.array([[0.0, 1.0, np.inf], [3.0, 4.0, 5.0]])
    run = replace(RUN, seeds=(3, 5), problem=DIGITS)
    line = marked(records(values, np.full((2, 3), -1)), run).attrs["diverged"]
    for part in ("loss is not finite (1-SAM, rho=0.1, digits, Delta=0.3", "seed=3", "epoch=4"):
        assert part in line


def test_every_observable_that_does_not_look_at_the_rule_needs_none(seeds):
    run = replace(RUN, seeds=seeds[:1])
    for record in (Accuracies(), Losses(), Overlaps()):
        assert not record.looks_at_rule
        simulate(replace(run, observe=(record,)))
