"""Small slips in the code as data (slips.toml), and a copy of the tree that they are applied to one after another."""

import os
import shutil
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("slips.toml")
LEFT_OUT = shutil.ignore_patterns(".*", "*.egg-info", "results", "build", "htmlcov")


class Slip(NamedTuple):
    """In `file` the text `find`, which occurs once, becomes `put`; then one of `tests` must fail."""

    what: str
    file: str
    find: str
    put: str
    tests: tuple[str, ...]


def load(file: Path = FILE) -> list[Slip]:
    """Every slip of the file, in order."""
    return [Slip(**{**slip, "tests": tuple(slip["tests"])}) for slip in tomllib.loads(file.read_text())["slip"]]


def occurrences(slip: Slip, root: Path = ROOT) -> int:
    """How often the text that it changes is in its file; 0 where there is no such file."""
    path = root / slip.file
    return path.read_text().count(slip.find) if path.is_file() else 0


def copy_tree(root: Path, into: Path) -> Path:
    """The files of a tree, with their times, which compiled Python files are compared with."""
    return Path(shutil.copytree(root, into, ignore=LEFT_OUT))


class Applied:
    """The tree with the slip, until `undo`: then the file is as before, its time included."""

    def __init__(self, slip: Slip, tree: Path) -> None:
        self.path = tree / slip.file
        self.before, self.status = self.path.read_bytes(), self.path.stat()
        self.path.write_text(self.path.read_text().replace(slip.find, slip.put))
        # Compiled files are told apart by size and whole seconds.
        os.utime(self.path, (self.status.st_atime, self.status.st_mtime - 10))

    def undo(self) -> None:
        self.path.write_bytes(self.before)
        os.utime(self.path, ns=(self.status.st_atime_ns, self.status.st_mtime_ns))
