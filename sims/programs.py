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

_kept: "OrderedDict[Hashable, Future[Any]]" = OrderedDict()
_changing = Lock()


def call(function: Callable[..., Any], static: tuple[Hashable, ...], *arguments: Any) -> Any:
    """function(*static, *arguments), compiled for the static values and for the shapes and types of the arguments."""
    leaves, tree = jax.tree.flatten(arguments)
    key = function, static, tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    with _changing:
        found = _kept.get(key)
        program = _kept.setdefault(key, Future())
        _kept.move_to_end(key)
        while len(_kept) > PROGRAMS:
            _kept.popitem(last=False)
    if found is None:
        try:
            program.set_result(jax.jit(lambda *traced: function(*static, *traced)).lower(*arguments).compile())
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
