"""The folder in which this package keeps what can be made again. Safe to delete at any time."""

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def folder() -> Path:
    """$XDG_CACHE_HOME/sharpness-under-label-noise, or the same under ~/.cache. It may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sharpness-under-label-noise"


def keep(path: Path, content: str) -> None:
    """Write a file of the cache whole or not at all; where the cache cannot be written there is none."""
    temporary = path.with_suffix(f".{hashlib.sha256(content.encode()).hexdigest()[:8]}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(content, "utf-8")
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()


def filled(name: Path, make: Callable[[Path], None], into: Path) -> None:
    """Fill `into` with the files of a folder of the cache; those that it lacks are made by make(into), and kept."""
    cached = folder() / name
    if cached.is_dir():
        shutil.copytree(cached, into, dirs_exist_ok=True)
        return
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    make(into)
    temporary = cached.with_name(f"{cached.name}.{os.getpid()}.tmp")
    with suppress(OSError):  # no cache then, or another process was faster
        shutil.copytree(into, temporary)
        temporary.rename(cached)
    shutil.rmtree(temporary, ignore_errors=True)
