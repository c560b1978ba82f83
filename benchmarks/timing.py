"""Programs side by side: each row times two of them alternately in one run, so that a busy machine slows both."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Program = Callable[[], Any]
OPERATIONS = "times the operations"  # the unit of rows that are counted


class Row(NamedTuple):
    """A measured ratio: `what` over `peer`, median and quartiles; low, median and high all in `unit`."""

    section: str
    what: str
    peer: str
    low: float
    median: float
    high: float
    unit: str = "ratio of times"


def seconds(program: Program) -> float:
    """The time until the program's results are ready."""
    start = time.perf_counter()
    jax.block_until_ready(program())
    return time.perf_counter() - start


def ratio(section: str, what: str, program: Program, peer: str, other: Program, *, repeats: int = 15) -> Row:
    """time(other)/time(program): how many times as fast `what` is. Both warm up once."""
    for warm_up in (program, other):
        seconds(warm_up)
    pairs = [(seconds(program), seconds(other)) for _ in range(repeats)]
    return Row(section, what, peer, *np.percentile([b / a for a, b in pairs], [25, 50, 75]), "times as fast")


def floating_point_operations(function: Callable[..., Any], *arguments: Any) -> float:
    """Of the compiled program, by the compiler's count: the body of a loop once, of a condition the dearest branch."""
    counted: dict[str, float] = jax.jit(function).lower(*arguments).compile().cost_analysis()
    return counted["flops"]


def share_of_peak(section: str, what: str, program: Program, operations: float, *, repeats: int = 15) -> Row:
    """Achieved floating-point rate over that of a 2048 x 2048 float32 matrix product, timed in turn."""
    square = jax.random.normal(jax.random.key(0), (2048, 2048), jnp.float32)
    product = jax.jit(lambda a: a @ a)
    for warm_up in (program, lambda: product(square)):
        seconds(warm_up)
    pairs = [(seconds(program), seconds(lambda: product(square))) for _ in range(repeats)]
    shares = [100 * (operations / a) / (2 * 2048**3 / b) for a, b in pairs]
    return Row(section, what, "matrix product 2048", *np.percentile(shares, [25, 50, 75]), "% of its rate")
