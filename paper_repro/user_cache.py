"""The folder in which this package keeps what can be made again. Safe to delete at any time."""

import hashlib
import os
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
