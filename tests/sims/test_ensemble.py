"""Ensembles: the loop they stand for, their labels, and that blocks and executors change nothing."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from cases import CASES, N

from sims.ensemble import PROGRAMS, NonFiniteError, _fitting, ensemble, require_finite
from sims.observables.scalars import losses
from sims.train import train
from spec.rules import Sam
from spec.seeds import named_seeds
from spec.training import Training
from spec.validation import InputError

CASE = CASES["linear"]
TRAINING = Training(eta=0.2, epochs=4, batch=3, record_every=2)
GRID = {"rho": (0.0, 0.1, 0.4), "steepness": (0.3, 1.0)}
EPOCHS = (0, 2, 4)


def one_run(key, hyper, shared):
    """A short training whose initial weights and batches come from the key."""
    start, order = jax.random.split(key)
    params = jax.tree.map(lambda w: w + 0.1 * jax.random.normal(start, w.shape), shared["params"])
    _, trajectory = train(
        Sam(hyper["rho"]),
        TRAINING,
        model=CASE.model,
        loss=lambda f, t: hyper["steepness"] * (f - t) ** 2 / 2,  # unlike the logistic loss, it lets training diverge
        params=params,
        data=shared["data"],
        observe=losses,
        key=order,
    )
    return trajectory | {"start": jnp.sum(params["w"])}


@pytest.fixture
def problem(rng, seed):
    """Arguments of an ensemble over 3 x 2 grid points and two seeds."""
    shared = {"params": CASE.params(rng), "data": CASE.data(rng, N)}
    return {"seeds": named_seeds(str(seed), 2), "grid": GRID, "epochs": EPOCHS, "shared": shared}


def test_an_ensemble_is_a_loop_over_runs(problem):
    dataset = ensemble(one_run, **problem, block=12)
    single = jax.jit(one_run)
    for rho in GRID["rho"]:
        for steepness in GRID["steepness"]:
            for seed in problem["seeds"]:
                hyper = {"rho": jnp.asarray(rho), "steepness": jnp.asarray(steepness)}
                expected = single(jax.random.key(seed), hyper, problem["shared"])
                here = dataset.sel(rho=rho, steepness=steepness, seed=seed)
                assert set(here.data_vars) == set(expected)
                for name, value in expected.items():
                    np.testing.assert_allclose(here[name].values, value, rtol=1e-12, atol=1e-14)


def test_labels(problem):
    dataset = ensemble(one_run, **problem, block=12)
    assert dataset["clean_loss"].dims == dataset["mislabelled_loss"].dims == ("rho", "steepness", "seed", "epoch")
    assert dataset["start"].dims == dataset["first_nonfinite_step"].dims == ("rho", "steepness", "seed")
    assert tuple(dataset["rho"].values) == GRID["rho"]
    assert tuple(dataset["steepness"].values) == GRID["steepness"]
    assert tuple(dataset["seed"].values) == problem["seeds"]
    assert tuple(dataset["epoch"].values) == EPOCHS


def test_a_seed_is_the_same_at_every_grid_point(problem):
    """Weights and loss before training depend on the seed alone, apart from the steepness that scales the loss."""
    dataset = ensemble(one_run, **problem, block=12)
    for values in (dataset["start"], dataset["clean_loss"].sel(epoch=0, steepness=1.0)):
        first = values.isel({name: 0 for name in values.dims if name != "seed"})
        assert np.array_equal(values.values, np.broadcast_to(first.values, values.shape))
        assert first[0] != first[1]
    final = dataset["clean_loss"].sel(epoch=4)
    assert float(final.std("rho").min()) > 0
    assert float(final.std("steepness").min()) > 0


def test_blocks_agree_to_rounding(problem):
    """12 runs: singly, in blocks of 5 (the last one padded with 3 copies), in one block, and as memory allows."""
    expected = ensemble(one_run, **problem, block=12)
    for block in (1, 5, None):
        xr.testing.assert_allclose(ensemble(one_run, **problem, block=block), expected, rtol=1e-12, atol=1e-14)


def test_a_block_size_is_reproducible_bitwise(problem):
    first, again = (ensemble(one_run, **problem, block=5) for _ in range(2))
    xr.testing.assert_identical(first, again)


def test_threads_give_the_same_numbers_in_the_same_order(problem):
    with ThreadPoolExecutor(3) as threads:
        side_by_side = ensemble(one_run, **problem, block=5, executor=threads)
    xr.testing.assert_identical(side_by_side, ensemble(one_run, **problem, block=5))


def number(key, hyper, shared):
    """A cheap run whose result tells seed and grid point apart."""
    return {"value": hyper["a"] + jax.random.uniform(key)}


def test_one_seed_and_no_grid(seed):
    def run(key, hyper, shared):
        assert not hyper
        return {"value": shared * jax.random.uniform(key)}

    dataset = ensemble(run, seeds=[seed], grid={}, epochs=(), shared=2.0, block=3)
    assert dataset["value"].dims == ("seed",)
    assert dataset["value"].item() == pytest.approx(2 * float(jax.random.uniform(jax.random.key(seed))), rel=1e-14)


def test_an_integer_grid_is_made_of_real_numbers(seed):
    dataset = ensemble(number, seeds=[seed], grid={"a": (1, 2)}, epochs=())
    assert dataset["a"].dtype == dataset["value"].dtype == np.float64
    assert dataset["value"].sel(a=2).item() - dataset["value"].sel(a=1).item() == pytest.approx(1.0, rel=1e-12)


class Counting(ThreadPoolExecutor):
    """An executor that counts the blocks it is given."""

    blocks = 0

    def submit(self, *args, **kwargs):
        self.blocks += 1
        return super().submit(*args, **kwargs)


def wide(key, hyper, shared):
    """At least 8000 bytes of output for each run."""
    return {"value": hyper["a"] * jax.random.uniform(key, (1000,))}


@pytest.mark.parametrize(("memory", "low", "high"), [(1, 12, 12), (20_000, 6, 12), (2**30, 1, 1)])
def test_memory_limits_the_block(memory, low, high, seed):
    seeds, grid = named_seeds(str(seed), 4), {"a": (1.0, 2.0, 3.0)}
    with Counting(1) as executor:
        dataset = ensemble(wide, seeds=seeds, grid=grid, epochs=range(1000), memory=memory, executor=executor)
    assert low <= executor.blocks <= high
    assert dataset["value"].shape == (3, 4, 1000)


def test_a_block_fits_its_memory(key):
    keys, hyper = key[None], {"a": jnp.ones(1)}
    sizes = [_fitting(wide, keys, hyper, None, memory) for memory in (0, 8000, 10**6, 10**7)]
    assert sizes[:2] == [1, 1]
    assert 10 < sizes[2] <= 10**6 // 8000
    assert sizes[3] == pytest.approx(10 * sizes[2], rel=0.1)


def test_at_least_one_seed():
    with pytest.raises(InputError, match=r"seeds must be at least one seed, got \(\)"):
        ensemble(number, seeds=[], grid={"a": (1.0,)}, epochs=())


@pytest.mark.parametrize("block", [0, -1, 2.0])
def test_a_block_is_a_positive_integer(block, seed):
    with pytest.raises(InputError, match="block must be an integer >= 1"):
        ensemble(number, seeds=[seed], grid={"a": (1.0,)}, epochs=(), block=block)


def test_the_first_run_that_is_not_finite_is_named(seed):
    """By quantity, epoch, grid point and seed, with all the digits of the seed."""
    seeds = named_seeds(str(seed), 2)

    def run(key, hyper, shared):
        bad = (hyper["rho"] > 0.2) & (jax.random.uniform(key) == shared)
        return {"fine": hyper["rho"], "loss": jnp.where(bad, jnp.asarray([1.0, jnp.inf]), jnp.ones(2))}

    second = jax.random.uniform(jax.random.key(seeds[1]))
    with pytest.raises(NonFiniteError, match="loss is not finite") as error:
        ensemble(run, seeds=seeds, grid={"rho": (0.125, 0.25)}, epochs=(0, 10), shared=second)
    for part in ("rho=0.25", f"seed={seeds[1]}", "epoch=10"):
        assert part in str(error.value)


def test_the_step_of_a_gradient_that_is_not_finite_is_named(seed):
    seeds = named_seeds(str(seed), 2)
    steps = xr.DataArray([[-1, -1], [-1, 17]], dims=("rho", "seed"), coords={"rho": [0.125, 0.25], "seed": list(seeds)})
    dataset = xr.Dataset({"loss": steps * np.nan, "first_nonfinite_step": steps})
    with pytest.raises(NonFiniteError, match="gradient is not finite at step 17") as error:
        require_finite(dataset)
    for part in ("rho=0.25", f"seed={seeds[1]}"):
        assert part in str(error.value)


def test_training_that_diverges_is_named(problem):
    """Every step multiplies the weights by about 1e150."""
    with pytest.raises(
        NonFiniteError, match=r"gradient is not finite at step [23] \(rho=0.1, steepness=1e\+150, seed="
    ):
        ensemble(one_run, **problem | {"grid": {"rho": (0.1,), "steepness": (1.0, 1e150)}}, block=12)


def test_finite_results_pass(seed):
    dataset = ensemble(number, seeds=[seed], grid={"a": (1.0,)}, epochs=())
    require_finite(dataset)
    with pytest.raises(NonFiniteError, match="value is not finite"):
        require_finite(dataset * np.nan)


def test_old_programs_are_forgotten():
    """A long run of many programs would otherwise die for want of memory maps."""
    alive = []
    for k in range(PROGRAMS + 3):

        def run(key, hyper, shared, k=k):
            return {"value": jnp.float32(k)}

        ensemble(run, seeds=(0,), grid={}, epochs=(0,), block=1)
        alive.append(weakref.ref(run))
        del run
    gc.collect()
    assert sum(ref() is not None for ref in alive) == PROGRAMS
