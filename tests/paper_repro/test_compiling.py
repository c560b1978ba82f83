"""What compiling takes is told, and compiled programs are kept in a folder of bounded size."""

import os
import threading
from pathlib import Path

import jax
import numpy as np
import pytest

from paper_repro import compiling
from paper_repro.compiling import HIT, STEPS, Compiled, prune


def test_the_share_of_compiling_is_told() -> None:
    spent = Compiled(programs=2, fetched=1, seconds=2.0)
    spent.add(Compiled.of({"a": 1, **Compiled(1, 0, 3.0).attributes()}))
    assert spent.told(20.0) == "compiling took 5 s, 25% of 20 s of computing; 2 programs compiled, 1 found compiled"
    assert "0 s, beside 0 s" in Compiled().told(0.0)


def test_steps_of_a_program_are_added_up() -> None:
    with compiling.counted() as spent:
        for step in STEPS:
            compiling._took(step, 1.5, fun_name="f")
        compiling._took(STEPS[-1], 0.5)
        compiling._took("/jax/core/something_else", 100.0)
        compiling._happened(HIT)
        compiling._happened("/jax/compilation_cache/cache_misses")
    assert spent == Compiled(programs=2, fetched=1, seconds=5.0)


def test_the_compiler_is_watched_in_each_thread_by_itself() -> None:
    compiling.begin()
    compiling.begin()
    with compiling.counted() as outer, compiling.counted() as spent:
        jax.jit(lambda x: x * 3.25 + 1)(np.float64(2.0))
        other = threading.Thread(target=lambda: jax.jit(lambda x: x * 3.25 + 2)(np.float64(2.0)))
        other.start()
        other.join()
    assert spent.programs == outer.programs == 1
    assert spent.seconds > 0


def test_programs_are_forgotten_once_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[int] = []
    monkeypatch.setattr(compiling.programs, "forget", lambda: forgotten.append(1))
    monkeypatch.setattr(compiling, "_SINCE", Compiled())
    for _ in range(7):
        with compiling.counted() as spent:
            spent.programs += compiling.MANY // 3 + 1
    assert len(forgotten) == 2


def test_what_was_not_used_for_the_longest_time_is_pruned(tmp_path: Path) -> None:
    for age, name in enumerate("abcd"):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - 100))
    os.utime(tmp_path / "d", (1.5e9, 1e9 - 100))  # read lately
    prune(tmp_path, 1000)
    assert len(list(tmp_path.iterdir())) == 4
    prune(tmp_path, 250)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "d"}
    prune(tmp_path / "not there", 250)


def test_programs_are_kept_in_the_users_folder_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = jax.config.jax_compilation_cache_dir
    least = jax.config.jax_persistent_cache_min_compile_time_secs
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        compiling.keep()
        assert jax.config.jax_compilation_cache_dir == named
        jax.config.update("jax_compilation_cache_dir", None)
        compiling.keep()
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "sharpness-under-label-noise" / "compiled")
    finally:
        jax.config.update("jax_compilation_cache_dir", named)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", least)
