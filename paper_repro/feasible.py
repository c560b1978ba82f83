"""What is known before anything is computed: that data can be loaded and split, and that a run fits the memory."""

import math
import os
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from paper_repro.registry import Experiment
from sims.data import label_noise, sources
from sims.models import networks
from spec.problems import NoisyLinearTeacher, RealData, SignalNoiseMixture
from spec.seeds import named_seed
from spec.validation import InputError, require

COPIES = 4
"""Of inputs (drawn, with their signal, shuffled, cut into batches) and of weights (gradient, momentum, perturbed)."""
SINGLE = 4  # bytes of a number in float32


def require_feasible(experiment: Experiment, config: Any) -> None:
    """Raise InputError where the data of a configuration cannot be had, or it would need more memory than there is."""
    problems = list(_problems(config))
    for problem in problems:
        if isinstance(problem, RealData):
            label_noise.require_possible(problem.noise, sources.source(problem).classes)
    batch = getattr(getattr(config, "training", None), "batch", None)
    for size in (_examples(problem) for problem in problems):
        require(batch is None or batch <= size, "batch", batch, f"at most {size}, the number of training examples")
    needed = max((_memory(experiment, config, problem) for problem in problems), default=0)
    if needed > (there := available_memory()):
        sizes = ", ".join(f"{_examples(problem)} examples of {_inputs(problem)} numbers" for problem in problems)
        raise InputError(
            f"{experiment.id} must fit the memory: it needs about {needed / 1e9:.3g} GB for {sizes}, "
            f"and {there / 1e9:.3g} GB are free; choose fewer or smaller ones"
        )


def _problems(value: Any) -> Iterator[Any]:
    """The problems inside a record or tuple."""
    if isinstance(value, SignalNoiseMixture | NoisyLinearTeacher | RealData):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _problems(getattr(value, field.name))
    elif isinstance(value, tuple):
        for one in value:
            yield from _problems(one)


def _examples(problem: Any) -> int:
    return int(problem.n_train if isinstance(problem, RealData) else problem.n)


def _inputs(problem: Any) -> int:
    return int(sources.source(problem).x.shape[1] if isinstance(problem, RealData) else problem.d)


def _memory(experiment: Experiment, config: Any, problem: Any) -> int:
    """Bytes of the inputs of all samples that are held at once, and of a network's weights, COPIES times."""
    samples = 1 if isinstance(problem, RealData) else experiment.samples(config)
    numbers = samples * _examples(problem) * _inputs(problem)
    if hasattr(config, "network"):
        classes = sources.source(problem).classes if isinstance(problem, RealData) else None
        model = networks.build(config.network, _inputs(problem), classes)
        weights = jax.eval_shape(lambda key: model.init(key, jnp.float32), jax.random.key(named_seed("unused")))
        numbers += sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(weights))
    return COPIES * SINGLE * numbers


def available_memory() -> int:
    """Free bytes: of the machine, or of the control group that this process may fill."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    lines = Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else []
    free = next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), free)
    most, used = (_number(Path("/sys/fs/cgroup") / name) for name in ("memory.max", "memory.current"))
    return free if most is None or used is None else min(free, most - used)


def _number(path: Path) -> int | None:
    """The number in a file; None where there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
