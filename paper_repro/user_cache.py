"""The folder in which this package keeps what can be made again. Safe to delete at any time."""

import os
from pathlib import Path


def folder() -> Path:
    """$XDG_CACHE_HOME/sharpness-under-label-noise, or the same under ~/.cache. It may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sharpness-under-label-noise"
