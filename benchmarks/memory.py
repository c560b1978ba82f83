"""Peak memory: the compiler's temporary buffers of one 1-SAM step and of one tangent kernel, over those of a peer."""

from typing import Any

import jax

from benchmarks import kernels, steps
from benchmarks.timing import Row
from sims import tangent_kernel
from sims.models import networks
from spec.rules import Sam, Sgd


def temporaries(function: Any, *arguments: Any) -> int:
    """Bytes of temporary buffers of a compiled function."""
    return jax.jit(function).lower(*arguments).compile().memory_analysis().temp_size_in_bytes


def rows(repeats: int) -> list[Row]:
    """Every row of this section; these numbers do not vary."""
    found = []
    for sizes in ((64, 256, 10), (64, 256, 256, 10)):
        case = steps.case(networks.mlp(sizes), 128)
        _, params, batch = case
        sam = temporaries(steps.ours(Sam(steps.RHO), case), params, batch)
        section = f"Memory of a step, MLP {'-'.join(map(str, sizes))}, batch 128"
        found.append(_row(section, "1-SAM", sam, "SGD", temporaries(steps.ours(Sgd(), case), params, batch)))
        for name, peer in (
            ("vmap(grad)", steps.vmap_grad),
            ("optax.contrib.sam for each example", steps.optax_per_example),
        ):
            found.append(_row(section, "1-SAM", sam, name, temporaries(peer(case), params, batch)))
    model, params, x = kernels.inputs()
    ours = temporaries(lambda p, x: tangent_kernel.empirical(model, p, x), params, x)
    theirs = temporaries(kernels.contraction(model), params, x)
    found.append(_row("Memory of a tangent kernel", "kernel", ours, "Jacobian contraction", theirs))
    return found


def _row(section: str, what: str, ours: float, peer: str, theirs: float) -> Row:
    share = theirs / ours
    return Row(section, what, peer, share, share, share, f"times its {ours / 1e6:.2g} MB")
