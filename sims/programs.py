"""Compiled programs, each compiled once: by the thread that first asks for it, while the others wait.

A process may have 65530 memory maps, and a program holds up to a thousand of them; so the programs that have not been
used for the longest time are forgotten.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Any

import jax

PROGRAMS = 40  # kept compiled at once

# How the compiler of CPUs is told to work. Its newer emitters take longer and make small programs no faster; without
# optimisation it takes a fifth of the time, and roundings may be others.
FOR_LOOPS = (("xla_cpu_use_fusion_emitters", False),)
FOR_ONCE = (*FOR_LOOPS, ("xla_backend_optimization_level", 0))

_kept: "OrderedDict[Hashable, Future[Any]]" = OrderedDict()
_changing = Lock()


def call(
    function: Callable[..., Any],
    static: tuple[Hashable, ...],
    *arguments: Any,
    options: tuple[tuple[str, Any], ...] = FOR_LOOPS,
) -> Any:
    """function(*static, *arguments), compiled for the static values and for the shapes and types of the arguments.

    options: FOR_ONCE for programs that take longer to compile than to run; other machines than CPUs ignore them.
    """
    leaves, tree = jax.tree.flatten(arguments)
    key = function, static, options, tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    with _changing:
        found = _kept.get(key)
        program = _kept.setdefault(key, Future())
        _kept.move_to_end(key)
        while len(_kept) > PROGRAMS:
            _kept.popitem(last=False)
    if found is None:
        try:
            lowered = jax.jit(lambda *traced: function(*static, *traced)).lower(*arguments)
            program.set_result(lowered.compile(dict(options) if jax.default_backend() == "cpu" else None))
        except BaseException as error:
            _kept.pop(key, None)
            program.set_exception(error)  # for those who wait
            raise
    return program.result()(*arguments)


def forget() -> None:
    """Let all programs go, and what JAX remembers of having compiled them."""
    with _changing:
        _kept.clear()
    jax.clear_caches()
