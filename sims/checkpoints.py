"""What a training needs to go on, in one file without pickle: it is there whole or not at all."""

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from spec.validation import InputError

NAME = "checkpoint.npz"
History = dict[str, list[float]]


def save(folder: Path, tree: Any, about: dict[str, str], history: History) -> None:
    """Put the leaves of a tree, what they are about and the history into a file in the place of an older one."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"leaf{k}": np.asarray(leaf) for k, leaf in enumerate(jax.tree.leaves(tree))}
    said = json.dumps({"about": about | {"structure": _structure(tree)}, "history": history})
    part = folder / f"{NAME}.part"
    with part.open("wb") as file:
        np.savez(file, said=np.array(said), **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / NAME)


def load(folder: Path, like: Any, about: dict[str, str]) -> tuple[Any, History] | None:
    """(the tree that was saved, with the structure of `like`; its history); None where nothing was saved.

    Raises InputError for a file that is damaged, or of another training: what differs is named.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            said = json.loads(str(file["said"]))
            leaves = [file[f"leaf{k}"] for k in range(len(file.files) - 1)]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} must be a checkpoint that is whole: {error}") from None
    expected = about | {"structure": _structure(like)}
    other = [name for name in expected if said["about"].get(name) != expected[name]]
    if other:
        raise InputError(f"{path} is of a training with another {', '.join(other)}: remove it to start anew")
    kinds = [jnp.result_type(leaf) for leaf in jax.tree.leaves(like)]
    # A type that is not numpy's own, such as bfloat16, comes back without its name.
    known = [jnp.asarray(leaf.view(kind)) for leaf, kind in zip(leaves, kinds, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(like), known), said["history"]


def digest(*arrays: Any) -> str:
    """A short name of the contents of arrays; None is one of them."""
    known = hashlib.sha256()
    for array in arrays:
        values = np.asarray([] if array is None else array)
        known.update(f"{array is None} {values.shape} {values.dtype}".encode() + values.tobytes())
    return known.hexdigest()[:16]


def _structure(tree: Any) -> str:
    leaves, structure = jax.tree.flatten(tree)
    shapes = [f"{jnp.shape(leaf)} {jnp.result_type(leaf)}" for leaf in leaves]
    return hashlib.sha256(f"{structure} {shapes}".encode()).hexdigest()[:16]
