"""A ratio means something only if both sides compute the same: every peer of the benchmarks against ours."""

import time
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import distance
from rich.console import Console

from benchmarks import (
    convolutions,
    kernels,
    mean_field,
    meta_gradient,
    operations,
    record,
    steps,
    sweeps,
    timing,
    torch_peers,
)
from benchmarks.__main__ import main, measured, plot, table
from sims import tangent_kernel
from sims.models import networks
from spec.networks import LeNet, Linear
from spec.rules import Sam, Sgd
from spec.validation import InputError
from theory.mean_field import curves

SMALL = LeNet((4, 4, 1), channels=(2,), kernel=3, hidden=(4,))


@pytest.fixture
def case():
    return steps.case(networks.mlp((64, 8, 10)), 4)


@pytest.mark.parametrize("peer", [steps.vmap_grad, steps.optax_per_example])
def test_peers_in_jax_take_the_same_step(case, peer):
    _, params, batch = case
    expected = steps.ours(Sam(steps.RHO), case)(params, batch)
    assert distance(jax.jit(peer(case))(params, batch), expected) < 1e-5


def test_peers_in_torch_take_the_same_steps(case, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(steps, "STEPS", 3)
    expected = steps.scanned(steps.ours(Sam(steps.RHO), case), case)()[0]["w"]
    start = torch_peers.layers(case[1])
    for program in torch_peers.steps(start, torch_peers.mlp, case[2], steps.RHO, steps.ETA, 3).values():
        assert distance(program(), expected) < 1e-5


def test_convolutions_in_torch_take_the_same_steps_and_have_the_same_norms(monkeypatch):
    pytest.importorskip("opacus")
    monkeypatch.setattr(steps, "STEPS", 3)
    monkeypatch.setattr(convolutions, "STEPS", 3)
    case = steps.case(networks.build(SMALL, 16, 10), 4, 16)
    expected = steps.scanned(steps.ours(Sam(steps.RHO), case), case)()["convolutions"][0]["w"]
    for program in convolutions.torch_steps(SMALL, case).values():
        assert distance(program(), expected) < 1e-5
    norms = jax.jit(convolutions.norms(case))(*case[1:])
    for program in convolutions.torch_norms(SMALL, case).values():
        assert distance(program(), norms) < 1e-5


def test_sweeps_reach_the_same_weights(monkeypatch):
    for name, size in {"N": 12, "D": 5, "STEPS": 4, "SMALL": 3}.items():
        monkeypatch.setattr(sweeps, name, size)
    for mini in (False, True):
        sweep = sweeps.logistic(mini)
        expected = sweeps.vectorised(sweeps._ours, sweep)()
        peers = [sweeps.vectorised(sweeps._vmap_grad, sweep), sweeps.looped(sweep), sweeps.numpy_loop(sweep)]
        for program in [*peers, sweeps.by_hand(sweep)]:
            assert distance(jnp.stack(list(program())), expected) < 1e-5
        assert distance(sweeps.products(sweep)(), sweeps.numpy_products(sweep)()) < 1e-5


def test_a_sweep_in_torch_reaches_the_same_weights(monkeypatch):
    pytest.importorskip("torch")
    for name, size in {"N": 12, "D": 5, "STEPS": 4}.items():
        monkeypatch.setattr(sweeps, name, size)
    sweep = sweeps.logistic(False)
    data = [np.array(a) for a in (sweep.w, sweep.rho, sweep.x, sweep.t)]
    program = torch_peers.logistic_sweep(*data, sweeps.ETA, 4)
    assert distance(program(), sweeps.vectorised(sweeps._ours, sweep)()) < 1e-5


def test_kernels_are_the_same(monkeypatch):
    for name, size in {"N": 6, "WIDTH": 9, "D": 4}.items():
        monkeypatch.setattr(kernels, name, size)
    model, params, x = kernels.inputs()
    expected = tangent_kernel.empirical(model, params, x)
    assert distance(kernels.contraction(model)(params, x), expected) < 1e-5
    assert distance(kernels.two_products(params, x), expected) < 1e-5


@pytest.mark.parametrize("classes", [None, 3])
def test_meta_gradients_are_the_same(classes, monkeypatch):
    for name, size in {"N": 6, "M": 4, "WIDTH": 9, "D": 4}.items():
        monkeypatch.setattr(meta_gradient, name, size)
    objective, given = meta_gradient.arguments(classes)
    expected = jax.jit(partial(meta_gradient.ours, objective))(*given)
    for program in meta_gradient.peers(objective, given, classes).values():
        assert distance(jnp.asarray(program()), expected) < 1e-5


def test_ratios_say_which_side_is_faster():
    square = jnp.ones((300, 300))
    slow, fast = jax.jit(lambda a: a @ a @ a @ a @ a @ a @ a @ a), jax.jit(lambda a: a[0] + 1)
    row = timing.ratio("s", "fast", lambda: fast(square), "slow", lambda: slow(square), repeats=5)
    assert 1 < row.low <= row.median <= row.high
    assert "fast" in str(table([row]).columns[0]._cells)
    assert len(plot([row]).axes[0].get_yticklabels()) == 1


def test_the_table_is_printed_whole(capsys, monkeypatch, tmp_path):
    """To a pipe, which says that it is 80 wide; with the brackets of its title."""
    row = timing.Row("a section", "a step", "a peer", 1.25, 1.5, 1.75, "times as fast")
    monkeypatch.setattr("benchmarks.__main__.SECTIONS", {"steps": lambda repeats: [row]})
    monkeypatch.setattr("benchmarks.__main__.OUT", tmp_path)
    main(["steps"])
    shown = capsys.readouterr().out
    assert "Medians [quartiles] of ratios" in shown
    assert "[1.25, 1.75]" in shown
    assert "times as fast" in shown


def test_recorded_rows_replace_older_ones_and_say_where_they_are_from(monkeypatch, tmp_path, capsys):
    rows = [timing.Row("s", "step", peer, 0.25, 0.5, 0.8, "times as fast") for peer in ("a", "b")]
    monkeypatch.setattr(record, "FOLDER", tmp_path)
    monkeypatch.setattr("benchmarks.__main__.OUT", tmp_path)
    record.keep("here", record.begun("then") | {"date": "2025-01-01T00:00:00+00:00"}, rows)
    again, other = rows[1]._replace(low=2.0, median=2.5, high=3.0), rows[1]._replace(section="t")
    count = rows[0]._replace(low=1.5, median=1.5, high=1.5, unit=timing.OPERATIONS)
    monkeypatch.setattr("benchmarks.__main__.SECTIONS", {"steps": lambda repeats: iter([again, other, count])})
    main(["--record", "here", "steps"])
    then, now = kept = record.read("here")
    assert [(row["peer"], row["median"]) for row in then["rows"]] == [("a", 0.5)]
    assert [(row["peer"], row["median"]) for row in now["rows"]] == [("b", 2.5), ("b", 0.5), ("a", 1.5)]
    assert (then["command"], now["command"]) == ("then", "python -m benchmarks --record here steps")
    lines = record.table(kept)
    assert "2025-01-01; `then`" in lines[0]
    assert lines[4] == "| s | step | a | 2 [1.25, 4] times the time | 1.5 |"
    assert lines[-2:] == [
        "| s | step | b | 2.5 [2, 3] times as fast |  |",
        "| t | step | b | 2 [1.25, 4] times the time |  |",
    ]
    assert now["jax"] == jax.__version__


def test_no_row_begins_when_the_time_is_over(monkeypatch, tmp_path, capsys):
    row = timing.Row("s", "step", "a", 1.0, 1.0, 1.0)
    sections = {name: lambda repeats: iter([row, row]) for name in ("steps", "kernels", "sweeps")}
    monkeypatch.setattr("benchmarks.__main__.SECTIONS", sections)
    monkeypatch.setattr(time, "monotonic", iter([0.0, 4.0, 9.0, 11.0]).__next__)
    console = Console()
    assert list(measured(["steps", "kernels", "sweeps"], 10.0, console)) == [row, row, row]
    assert "not finished: kernels sweeps" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rule", "products"),
    [
        (Sgd(), 3 * (64 * 256 + 2560) - 64 * 256),
        (Sam(0.1), 5 * (64 * 256 + 2560) - 3 * 64 * 256),
        (Sam(0.1, "batch"), 2 * (3 * (64 * 256 + 2560) - 64 * 256)),
        # Gram matrices of shards for the norms, for what moves in either layer, and back through the last
        (Sam(0.1, 4), 5 * (64 * 256 + 2560) - 3 * 64 * 256 + 4 * (320 + 266 + 256 + 266 + 266)),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_operations_are_counted(rule, products):
    """Two for a multiply-add, and a few for every activation."""
    n, units = 128, 64 + 256 + 10
    counted = operations.operations(rule, steps.case(networks.mlp((64, 256, 10)), n))
    assert 2 * n * products < counted < 2 * n * products + 24 * n * units


def test_help_is_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "Sections: steps, convolutions" in capsys.readouterr().out


def test_convolutions_of_others_are_the_same():
    case = steps.case(networks.build(SMALL, 16, 10), 4, 16)
    usual = (convolutions.by_xla(SMALL), *case[1:])
    sam = jax.jit(steps.ours(Sam(steps.RHO), case))(*case[1:])
    assert distance(jax.jit(steps.vmap_grad(usual))(*case[1:]), sam) < 1e-5
    found, expected = (jax.jit(make(case))(*case[1:]) for make in (convolutions.norms, convolutions.written_norms))
    assert distance(found, expected) < 1e-5


def test_unknown_sections_are_named():
    with pytest.raises(
        InputError,
        match="SECTION must be one of steps, convolutions, down_weighting, sweeps, kernels, meta, epochs, mean_field, "
        "memory, operations, got 'step'",
    ):
        main(["step"])


def test_the_simulated_training_is_the_predicted_one():
    """One training of d = 400: within five standard deviations of a coordinate of its weights, 1/sqrt(d)."""
    problem = replace(mean_field.PROBLEM, n=800, d=400)
    w = mean_field.simulated(Sam(0.05), problem, steps=6)
    curve = curves(Sam(0.05), problem, replace(mean_field.TRAINING, epochs=6), Linear())
    assert abs(float(w[0]) - float(curve["signal_overlap"][-1])) < 5 / 20
    assert abs(float(jnp.linalg.norm(w[1:])) - float(curve["noise_norm"][-1])) < 5 / 20
