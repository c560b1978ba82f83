r"""The one layer that networks are made of, z = s a W + b at every position, and others that are this one.

    a (n, ..., in),       W (in, out)          dense, at any number of positions of an example
    a (n, ..., g, in),    W (g, in, out)       g blocks, each with inputs of its own
    a (n, ...) integers,  W (rows, out)        rows of a table: an embedding

with b (out,) or (g, out). A convolution is a dense layer of `patches`, in groups one of blocks; a scale and a shift of
channels, as after a normalisation, is one of blocks with one input and one output.
"""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp

Weights = jax.Array
Dense = Callable[[jax.Array, Weights, jax.Array | None, float], jax.Array]
"""(a, W, b or None, s) -> the outputs of one layer."""
Padding = str | Sequence[tuple[int, int]]
PATCH_MEMORY = 2**26  # bytes of patches beyond which a convolution that only has to be computed does without them


def affine(a: jax.Array, w: Weights, b: jax.Array | None = None, s: float = 1.0) -> jax.Array:
    """s a W + b: the layer itself."""
    if picks_rows(a):
        z = w[a]
    elif w.ndim == 3:
        blocks = w.reshape(*[1] * (a.ndim - 2), *w.shape)
        z = a * blocks[..., 0] if w.shape[1:] == (1, 1) else jnp.einsum("...gi,gio->...go", a, w)
    elif a.ndim == 2 and w.shape[1] == 1:
        # W first: configurations vectorised over W then lie on the rows of one matrix product.
        z = jnp.tensordot(w[:, 0], a, (0, 1))[:, None]
    else:
        z = a @ w
    z = z if s == 1.0 else s * z
    return z if b is None else z + b.reshape(*[1] * (z.ndim - b.ndim), *b.shape)


def picks_rows(a: jax.Array) -> bool:
    """Whether a layer with these inputs is an embedding."""
    return bool(jnp.issubdtype(a.dtype, jnp.integer))


def scale(dense: Dense, x: jax.Array, factor: jax.Array, shift: jax.Array | None = None) -> jax.Array:
    """x (n, ..., channels) times factor (channels,), plus shift (channels,)."""
    return dense(x[..., None], factor[:, None, None], None if shift is None else shift[:, None], 1.0)[..., 0]


def convolve(
    dense: Dense,
    x: jax.Array,
    w: jax.Array,
    b: jax.Array | None = None,
    *,
    strides: Sequence[int] | None = None,
    padding: Padding = "SAME",
    dilation: Sequence[int] | None = None,
    groups: int = 1,
) -> jax.Array:
    """The convolution of x (n, *sizes, channels) with w (*kernel, channels / groups, out), as in Flax; b (out,).

    Strides, padding and dilation of the kernel are those of jax.lax.conv_general_dilated. On CPUs patches and a matrix
    product are faster than it inside a loop (`python -m benchmarks convolutions`, docs/factors.md).
    """
    *kernel, c, out = w.shape
    axes = len(kernel)
    strides, dilation = strides or [1] * axes, dilation or [1] * axes
    seen = partial(patches, kernel=kernel, strides=strides, padding=padding, dilation=dilation)
    if dense is affine and jax.eval_shape(seen, x).size * x.dtype.itemsize > PATCH_MEMORY:
        z = _by_xla(x, w, strides, padding, dilation, groups)
        return z if b is None else z + b.reshape(*[1] * (axes + 1), out)
    a = seen(x)
    w = jnp.transpose(w, (*range(axes - 1, -1, -1), axes, axes + 1))
    places = a.shape[: 1 + axes]
    if groups == 1:
        return dense(a.reshape(*places, -1), w.reshape(-1, out), b, 1.0)
    a = jnp.moveaxis(a.reshape(*places, -1, groups, c), -2, -3).reshape(*places, groups, -1)
    w = jnp.moveaxis(w.reshape(-1, groups, out // groups), 1, 0)
    b = None if b is None else b.reshape(groups, -1)
    return dense(a, w, b, 1.0).reshape(*places, out)


def _by_xla(
    x: jax.Array, w: jax.Array, strides: Sequence[int], padding: Padding, dilation: Sequence[int], groups: int
) -> jax.Array:
    sizes = "XYZUVW"[: w.ndim - 2]
    numbers = (f"N{sizes}C", f"{sizes}IO", f"N{sizes}C")
    return jax.lax.conv_general_dilated(
        x, w, strides, padding, rhs_dilation=dilation, dimension_numbers=numbers, feature_group_count=groups
    )


def patches(
    x: jax.Array, kernel: Sequence[int], strides: Sequence[int], padding: Padding, dilation: Sequence[int]
) -> jax.Array:
    """What the kernel sees at every place, (n, *places, *reversed kernel, channels), from x (n, *sizes, channels)."""
    seen = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(x.shape[1:-1], seen, strides, padding)
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    # Axis by axis, so that long rows of numbers are copied: several times as fast as all the kernel's places at once.
    for axis, (k, size, step, d) in enumerate(zip(kernel, seen, strides, dilation, strict=True), 1):
        last = (x.shape[axis] - size) // step * step
        shifted = [jax.lax.slice_in_dim(x, j * d, j * d + last + 1, step, axis) for j in range(k)]
        x = jnp.stack(shifted, axis=1 + len(kernel))
    return jax.lax.optimization_barrier(x)  # else the compiler copies them again for every use
