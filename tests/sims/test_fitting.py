"""`fit` against a loop in a few lines, what it goes on with after it was killed, and what it refuses."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from cases import CASES, D, distance

from sims import fit, fitting, suspects
from sims.objectives import Batch, logistic
from sims.own_loop import RuleGradient, with_number
from sims.train import shuffled
from spec.observables import Accuracies, Losses
from spec.rules import (
    CompensationSchedule,
    DownWeight,
    FixedReweight,
    MetaReweight,
    NoiseCompensated,
    OracleAscent,
    OracleMask,
    OracleSelection,
    Sam,
    Sgd,
)
from spec.validation import InputError, NonFiniteError

N, CASE = 8, CASES["linear"]
X = np.sin(np.arange(N * D)).reshape(N, D)
Y = np.where(X[:, 0] > 0, 1, -1)
T = np.where(np.arange(N) < 2, -Y, Y)
START = (CASE.model, {"w": np.linspace(0.1, 0.3, D)})
RULE = DownWeight(Sam(0.2), 0.5)
OPTIONS = {"optimizer": optax.adamw(0.1), "epochs": 4, "batch": 4, "seed": 3}


def test_fit_is_the_loop_in_ten_lines():
    """Which is also the test of the rule for own loops, its schedule included."""
    halved = {"rho": lambda epoch: 0.2 * 0.5**epoch}
    found = fit(START, X, T, RULE, **OPTIONS, schedules=halved)
    by_step = {"rho": lambda step: 0.2 * 0.5 ** (step // 2)}
    rule, optimizer = RuleGradient.of(RULE, START, loss=logistic, schedules=by_step), OPTIONS["optimizer"]
    params = START[1]
    state, moments = rule.init(params), optimizer.init(params)
    for epoch in range(4):
        for places in shuffled(jax.random.fold_in(jax.random.key(3), 2 + epoch), N, 4):
            g, state = rule.gradient(state, params, Batch(jnp.asarray(X[places]), jnp.asarray(T[places])))
            updates, moments = optimizer.update(g, moments, params)
            params = optax.apply_updates(params, updates)
    assert distance(found.params, params) < 1e-12
    assert distance(found.params, fit(START, X, T, RULE, **OPTIONS).params) > 1e-4
    assert int(state.steps) == 8


def test_the_history_has_what_is_known():
    known = fit(START, X, T, RULE, **OPTIONS, y=Y, test=(X, Y)).history
    assert {"clean_loss", "mislabelled_loss", "recovered_accuracy", "test_accuracy"} <= set(known)
    assert dict(known.sizes) == {"epoch": 5}
    blind = fit(START, X, T, RULE, **OPTIONS).history
    assert set(blind) == {"train_accuracy", "train_loss"}
    both = 0.25 * known["mislabelled_loss"] + 0.75 * known["clean_loss"]
    np.testing.assert_allclose(blind["train_loss"], both, rtol=1e-12)
    assert blind["train_loss"][-1] < blind["train_loss"][0]


def test_the_table_names_examples(tmp_path):
    found = fit(START, X, T, FixedReweight(1.0, 0.5), **OPTIONS, y=Y).examples
    np.testing.assert_array_equal(found["mislabelled"], T != Y)
    np.testing.assert_array_equal(found["weight"], np.where(T != Y, 0.5, 1.0))
    np.testing.assert_array_equal(found["is_label_issue"], found["predicted_label"] != T)
    np.testing.assert_array_equal(found["is_label_issue"], found["label_quality"] < 0.5)
    suspects.write(found, tmp_path / "labels.csv")
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    assert lines[0].startswith("example,given_label,predicted_label,label_quality,is_label_issue,loss,weight")
    assert int(lines[1].split(",")[0]) == int(np.argmin(found["label_quality"].values))


def test_probabilities_of_classes_are_read_in_their_column():
    mean = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    found = suspects.table(mean, range(3), np.array([1, 2]), None, losses=np.ones(2), rule_state=())
    assert found["label_quality"].values.tolist() == [0.2, 0.6]
    assert found["predicted_label"].values.tolist() == [0, 2]
    assert set(found) == {"given_label", "predicted_label", "label_quality", "is_label_issue", "loss"}
    signs = suspects.table(mean[:, :2], (-1, 1), np.array([1, -1]), None, losses=np.ones(2), rule_state=())
    assert signs["label_quality"].values.tolist() == [0.2, 0.1]
    assert signs["predicted_label"].values.tolist() == [-1, 1]
    np.testing.assert_allclose(suspects.probabilities(jnp.array([np.log(3.0)])), [[0.25, 0.75]])


KILLED = """
import os, signal, sys
import jax
jax.config.update("jax_enable_x64", True)
sys.path[:0] = ["tests", "tests/sims"]
from test_fitting import OPTIONS, RULE, START, T, X, fit
kill = lambda epoch, record: epoch == 2 and os.kill(os.getpid(), signal.SIGKILL)
fit(START, X, T, RULE, **OPTIONS, checkpoint=sys.argv[1], callbacks=[kill])
"""


def test_what_was_killed_goes_on_to_the_same_bits(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr[-2000:]
    seen = []
    again = fit(START, X, T, RULE, **OPTIONS, checkpoint=tmp_path, callbacks=[lambda epoch, _: seen.append(epoch)])
    whole = fit(START, X, T, RULE, **OPTIONS)
    assert seen == [3, 4]
    np.testing.assert_array_equal(again.params["w"], whole.params["w"])
    assert again.history.identical(whole.history)
    assert again.examples.identical(whole.examples)
    with pytest.raises(InputError, match="at least the 4 that the checkpoint has seen, got 3"):
        fit(START, X, T, RULE, **OPTIONS | {"epochs": 3}, checkpoint=tmp_path)
    with pytest.raises(InputError, match="of a training with another rule, seed, structure: remove it"):
        fit(START, X, T, Sgd(), **OPTIONS | {"seed": 4}, checkpoint=tmp_path)
    with pytest.raises(InputError, match="of a training with another structure"):
        fit(START, X, T, RULE, **OPTIONS | {"optimizer": optax.sgd(0.1)}, checkpoint=tmp_path)
    file = Path(tmp_path, "checkpoint.npz")
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(InputError, match="must be a checkpoint that is whole"):
        fit(START, X, T, RULE, **OPTIONS, checkpoint=tmp_path)


COMPENSATED = CompensationSchedule(1, 1)
REFUSED = [
    ({"t": (T > 0).astype(int)}, r"labels must be -1 or 1, got \d at example \d"),
    ({"t": T[:, None]}, "one for each of 8 examples, not one-hot"),
    ({"t": T[:5]}, "one for each of 8 examples"),
    ({"t": np.array(["cat"] * N)}, "the type of labels of x must be numbers"),
    ({"y": 3 * Y}, "labels must be -1 or 1, got -?3"),
    ({"x": np.where(X > 0.9, np.nan, X)}, "inputs of x must be finite everywhere"),
    ({"x": X[:0], "t": T[:0]}, "inputs of x must be at least one example"),
    ({"batch": 9}, "batch must be at most the number of training examples 8, got 9"),
    ({"epochs": -1}, "epochs must be an integer >= 0"),
    ({"network": (CASE.model, {"w": np.ones(D, int)})}, "parameters must be floating-point numbers"),
    ({"rule": MetaReweight(2.0, 0.3)}, "a clean subset"),
    ({"clean": (X, T + 5)}, "labels must be -1 or 1"),
    ({"schedules": {"rh": lambda epoch: 0.1}}, "schedules must name numbers of the rule, got 'rh'"),
    ({"rule": Sam(0.1, 3)}, "sharpness must divide the batch, got 3"),
]


@pytest.mark.parametrize(("changed", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_does_not_go_together_is_refused(changed, message):
    given = {"network": START, "x": X, "t": T, "rule": RULE} | OPTIONS | changed
    with pytest.raises(InputError, match=message):
        fit(**given)


ORACLES = [
    OracleMask(Sam(0.1)),
    DownWeight(OracleAscent(Sam(0.1))),
    FixedReweight(1.0, 0.5),
    NoiseCompensated(Sam(0.1), 0.5, COMPENSATED, OracleSelection(1.0)),
    NoiseCompensated(Sam(0.1), 0.5, COMPENSATED, target="true"),
]


@pytest.mark.parametrize("rule", ORACLES, ids=lambda rule: rule.name)
def test_oracles_need_true_labels(rule):
    with pytest.raises(InputError, match="looks at true labels: give them as y"):
        fit(START, X, T, rule, **OPTIONS)
    assert not fitting.looks_at_true_labels(NoiseCompensated(Sam(0.1), 0.5, COMPENSATED))


def test_training_that_diverges_says_where():
    with pytest.raises(NonFiniteError, match=r"gradient is not finite at step \d+, in epoch \d \(1-SAM\)"):
        fit(START, X, T, Sam(0.1), **OPTIONS | {"optimizer": optax.scale(-np.inf)})


def test_schedules_reach_the_rules_inside():
    changed = with_number(DownWeight(Sam(0.1), 0.5), "rho", 7.0)
    assert changed == DownWeight(Sam(7.0), 0.5)
    assert set(fitting.DEFAULT) == {Accuracies(), Losses()}
