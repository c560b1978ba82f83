"""Networks of a few units that the high-dimensional theory has not seen: data, steps and weights drawn by name.

`python -m tests.evidence.held_out_networks FILE` compares them and adds a line to FILE for each that is not there yet;
HELD_OUT_D is d (4000). The simulation is plain numpy in single precision (tests.networks_by_hand).
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.rules import JacobianSam, LogitSam, Regularised, Rule, Sam, Sgd
from spec.seeds import named_seed
from spec.training import Training
from tests.networks_by_hand import READ as SIMULATED
from tests.networks_by_hand import UNITS, trained
from theory.mean_field import Accuracy
from theory.mean_field.networks import TwoLayer, collapse, curves

SEEDS = 6
COUNT = 30
READ = ("test_accuracy", "clean_accuracy", "mislabelled_accuracy", "last_norm")
ALLOWED = np.array([0.004, 0.012, 0.012, 0.01])  # of ||v||: relative


class Held(NamedTuple):
    """What determines a training."""

    rule: Rule
    problem: SignalNoiseMixture | NoisyLinearTeacher
    training: Training
    network: TwoLayer


def held_out(d: int) -> list[Held]:
    """Six rules under each of four kinds of units and once under a teacher; 2, 3 or 5 units; half with momentum."""
    return [_drawn(i, d) for i in range(COUNT)]


def _drawn(i: int, d: int) -> Held:
    rng = np.random.default_rng(named_seed(f"held out networks/{i}"))
    n, K = round(rng.uniform(0.4, 1.6) * d), (2, 3, 5)[(i + i // 6) % 3]
    B, gamma, Delta = rng.uniform(0.8, 2.0), rng.uniform(0.7, 1.2), round(rng.uniform(0.1, 0.4) * n) / n
    problem = SignalNoiseMixture(n=n, d=d, B=B, gamma=gamma, Delta=Delta)
    if i >= 24:
        problem, B, gamma = NoisyLinearTeacher(n=n, d=d, Delta=Delta), 0.0, 1.0
    momentum, decay = (0.5, 0.01) if (i + i // 6) % 2 else (0.0, 0.0)
    training = Training(
        rng.uniform(0.2, 0.6) * (1 - momentum), int(rng.integers(20, 31)), momentum=momentum, weight_decay=decay
    )
    v = rng.uniform(0.5, 1.2, K) * rng.choice([-1, 1], K)
    scale = rng.uniform(0.5, 1.2)
    network = TwoLayer(
        tuple(map(float, v)),
        tuple(UNITS)[i // 6 if i < 24 else i % 4],
        scale,
        rng.uniform(0, 0.3) * scale,
        rng.uniform(0.2, 1.0),
    )
    rho = rng.uniform(0.3, 1.2) / np.hypot(B, gamma * d**0.5)
    kinds = Sgd(), Sam(rho), LogitSam(rho), JacobianSam(rho), Sam(rng.uniform(0.2, 0.6), "batch"), Regularised(0.2, 0.1)
    return Held(kinds[i % 6], problem, training, network)


def _trained(held: Held, rng: np.random.Generator) -> np.ndarray:
    return trained(held.rule, held.problem, held.training, held.network, rng, np.float32)


def compared(held: Held, name: str) -> dict[str, Any]:
    """How far simulated and predicted curves lie apart, and by how much more than allowed (excess <= 0: not)."""
    generators = [np.random.default_rng(named_seed(f"{name}/{k}")) for k in range(SEEDS)]
    chosen = [SIMULATED.index(n) for n in READ]
    of = np.stack([_trained(held, rng)[:, chosen] for rng in generators])
    stated = curves(*held, accuracy=Accuracy(2048, 4, name))
    curve = np.stack([stated[n].values for n in READ], axis=1)
    own = np.stack([stated[f"{n}_error"].values for n in READ], axis=1)
    scale = np.ones_like(curve)
    scale[:, -1] = curve[:, -1]
    error = np.hypot(of.std(axis=0, ddof=1) / SEEDS**0.5, own) / scale
    gap = np.abs(of.mean(axis=0) - curve) / scale
    worst = {n: round(float(g), 5) for n, g in zip(READ, gap.max(axis=0), strict=True)}
    about = {"rule": held.rule.name, "unit": held.network.unit, "K": len(held.network.v), "n": held.problem.n}
    about |= {"labels": "teacher" if isinstance(held.problem, NoisyLinearTeacher) else "mixture"}
    about |= {"training": asdict(held.training), "collapsed": collapse.collapsed(stated)}
    return about | worst | {"excess": float((gap - ALLOWED - 3 * error).max())}


if __name__ == "__main__":
    trainings, file = held_out(int(os.environ.get("HELD_OUT_D", "4000"))), Path(sys.argv[1])
    done = [json.loads(line)["number"] for line in file.read_text().splitlines()] if file.exists() else []
    for i in set(range(len(trainings))) - set(done):
        line = json.dumps({"number": i} | compared(trainings[i], f"held out networks {i}"))
        with file.open("a") as out:
            print(line, file=out)
