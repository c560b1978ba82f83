"""Networks of a few units, predicted and simulated: SGD, L-SAM, J-SAM and 1-SAM, and the error against the size."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from figures import mean_field as draw
from paper_repro.beyond.experiments import curves
from paper_repro.beyond.simulated_networks import Descent, Law, Trace, trace
from paper_repro.registry import Experiment, FigureBinding, Parts
from spec.fields import Checked, Count, Grid, NoiseRate, NonNegative, Positive, Seeds
from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.rules import JacobianSam, LogitSam, Rule, Sam, Sgd
from spec.seeds import named_seed
from spec.training import Training
from theory.mean_field import Accuracy
from theory.mean_field.networks import TwoLayer, prediction
from theory.mean_field.setting import Draws

QUANTITIES = ("test_accuracy", "clean_accuracy", "mislabelled_accuracy", "last_norm")


@dataclass(frozen=True)
class Networks(Checked):
    """Sizes d with n = alpha d; c = rho ||x||; the network before training. A teacher's labels have no B."""

    sizes: Grid[Count] = (500, 2000)
    alpha: Positive = 0.8
    B: NonNegative = 1.5
    Delta: NoiseRate = 0.25
    c: NonNegative = 1.0
    network: TwoLayer = TwoLayer()
    training: Training = Training(eta=0.5, epochs=30)
    samples: Count = 2048
    seeds: Seeds = 8
    labels: Literal["mixture", "teacher"] = "mixture"


def problem(config: Networks, d: int) -> Law:
    """The problem of dimension d."""
    n = round(config.alpha * d)
    if config.labels == "teacher":
        return NoisyLinearTeacher(n, d, config.Delta)
    return SignalNoiseMixture(n=n, d=d, B=config.B, Delta=config.Delta)


def rules(law: Law, c: float) -> tuple[Rule, ...]:
    """The four of Section 4.1, at rho = c/||x||."""
    signal = law.B if isinstance(law, SignalNoiseMixture) else 0.0
    rho = c / float(np.sqrt(signal**2 + law.d))
    return Sgd(), LogitSam(rho), JacobianSam(rho), Sam(rho)


def descents(config: Networks, d: int) -> list[Descent]:
    """Every rule at one size."""
    law = problem(config, d)
    return [Descent(rule, law, config.training, config.network) for rule in rules(law, config.c)]


@dataclass(frozen=True)
class Predicted:
    """What determines a predicted curve."""

    descent: Descent
    accuracy: Accuracy


@dataclass(frozen=True)
class Simulated:
    """What determines the simulated curves of rules on the same samples."""

    descents: tuple[Descent, ...]
    seeds: int


def predict(unit: Predicted) -> xr.Dataset:
    """The curve."""
    return prediction.curves(*unit.descent, accuracy=unit.accuracy)


def simulate(unit: Simulated) -> xr.Dataset:
    """Curves of all rules and seeds, (run, seed, epoch)."""
    problem = unit.descents[0].problem
    found = trace(unit.descents, named_seed(f"beyond.networks/{problem.d}"), unit.seeds)
    data = {
        "test_accuracy": exact(unit.descents[0], found),
        "clean_accuracy": found.accuracy[..., 0],
        "mislabelled_accuracy": found.accuracy[..., 1],
        "last_norm": found.last_norm,
    }
    return xr.Dataset({name: (("run", "seed", "epoch"), values) for name, values in data.items()})


def exact(descent: Descent, found: Trace) -> np.ndarray:
    """The test accuracy of weights: K fields of a fresh example are normal, (..., epochs)."""
    law, network = descent.problem, descent.network
    normals = Draws(Accuracy(), 0).normals("test", 1 + len(network.v), prediction.TEST_SAMPLES)

    def one(v: np.ndarray, signal: np.ndarray, gram: np.ndarray) -> float:
        values, vectors = np.linalg.eigh(gram - np.outer(signal, signal))
        rest = vectors * np.sqrt(np.maximum(values, 0))
        return prediction.test_accuracy(law, network.unit, np.column_stack([v, signal, rest]), normals)

    return np.vectorize(one, signature="(k),(k),(k,k)->()")(found.v, found.signal, found.gram)


def predicted(config: Networks, parts: Parts) -> xr.Dataset:
    """The curves of all rules at the largest size, (run, epoch)."""
    accuracy, chosen = Accuracy(config.samples, 4, "beyond.networks"), descents(config, max(config.sizes))
    found = xr.concat(parts.map(predict, [Predicted(one, accuracy) for one in chosen]), dim="run")
    return found.assign_coords(method=("run", [one.rule.name for one in chosen]))


def run(config: Networks, parts: Parts) -> xr.Dataset:
    """Both sides; dimensions run, epoch and, of the simulation, size and seed."""
    stated = predicted(config, parts)
    found = parts.map(simulate, [Simulated(tuple(descents(config, d)), config.seeds) for d in config.sizes])
    simulated = xr.concat(found, dim="size").assign_coords(size=list(config.sizes))
    data = {f"predicted_{name}": stated[name] for q in QUANTITIES for name in (q, f"{q}_error")}
    whole = xr.Dataset(data | {f"simulated_{name}": simulated[name] for name in QUANTITIES})
    return whole.assign(error=curves.errors(whole))


NETWORKS = Experiment(
    id="beyond.networks",
    title="L-SAM and J-SAM in networks of a few units, predicted",
    question="Is it the Jacobian that makes SAM's gain in a network, and does the limit give the curves?",
    config={
        "smoke": Networks(sizes=(40,), training=Training(0.5, 4), samples=256, seeds=3),
        "standard": Networks(training=Training(eta=0.5, epochs=20), seeds=6),
        "full": Networks(sizes=(500, 2000, 8000), samples=8192),
    },
    units=lambda config: 4 + len(config.sizes),
    run=run,
    figures=(
        FigureBinding(
            "beyond.networks",
            "Accuracies of a tanh network along training: prediction and simulation",
            "Lines: the limit. Marks: means over seeds at the largest d. Test in colour, clean training examples solid "
            "and mislabelled ones dashed in grey.",
            draw.curves,
        ),
        FigureBinding(
            "beyond.networks_finite_size",
            "Distance of one training of a network from the limit",
            "Root mean square over seeds and training of the test accuracy's error; the grey line falls as d^(−1/2).",
            draw.finite_size,
        ),
    ),
    tables=curves.tables,
)
