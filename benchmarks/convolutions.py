"""Networks of layers with several positions, on 8 x 8 images, float32: steps, and norms of examples' gradients."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import torch_peers
from benchmarks.steps import ETA, RHO, STEPS, Case, Gradient, case, ours, scanned, vmap_grad
from benchmarks.timing import Program, Row, ratio
from sims import objectives, per_example
from sims.models import networks
from spec.networks import LeNet, Network, ResNet
from spec.rules import Sam, Sgd

NETWORKS: dict[str, Network] = {"LeNet": LeNet((8, 8, 1)), "residual network": ResNet((8, 8, 1))}


def by_xla(network: LeNet) -> networks.Model:
    """The LeNet as one writes it with JAX's own convolution; the same parameters."""
    height, width, colours = network.image
    ours = networks.lenet(network, 10)

    def body(p: Any, x: jax.Array, dense: Any) -> jax.Array:
        x = x.reshape(-1, height, width, colours)
        for layer in p["convolutions"]:
            z = jax.lax.conv_general_dilated(x, layer["w"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(z + layer["b"][None, None, None, :])
            n, rows, columns, channels = x.shape
            x = jnp.mean(x.reshape(n, rows // 2, 2, columns // 2, 2, channels), axis=(2, 4))
        x = x.reshape(len(x), -1)
        for layer in p["dense"][:-1]:
            x = jax.nn.relu(dense(x, layer["w"], layer["b"], 1.0))
        return x

    return ours._replace(body=body)


def norms(case: Case) -> Gradient:
    """Norms of every example's gradient, by factors."""
    objective = objectives.Objective(case[0], objectives.cross_entropy)
    return lambda p, batch: per_example.contributions(Sgd(), objective, p, batch)[0]


def written_norms(case: Case) -> Gradient:
    """The same from gradients written out by jax.vmap and jax.grad."""

    def loss(p: Any, x: jax.Array, t: jax.Array) -> jax.Array:
        return objectives.cross_entropy(case[0].apply(p, x[None])[0], t)

    def norm(p: Any, x: jax.Array, t: jax.Array) -> jax.Array:
        return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(jax.grad(loss)(p, x, t))))

    return lambda p, batch: jax.vmap(norm, (None, 0, 0))(p, *batch)


def torch_steps(network: LeNet, case: Case) -> dict[str, Program]:
    """The steps in PyTorch, where it is installed."""
    if torch_peers.torch is None:
        return {}
    start, logits = _in_torch(network, case)
    found = torch_peers.steps(start, logits, case[2], RHO, ETA, STEPS)
    return {"torch.func": found["torch.func"]}  # a loop over examples takes minutes


def torch_norms(network: LeNet, case: Case) -> dict[str, Program]:
    """Norms of every example's gradient in PyTorch, where it is installed."""
    if torch_peers.torch is None:
        return {}
    start, logits = _in_torch(network, case)
    found = {"torch.func": torch_peers.norms(start, logits, case[2])}
    if find_spec("opacus") is not None:
        ghosts = torch_peers.ghost_norms(start, network.image, len(network.channels), case[2])
        found["ghost norms of Opacus"] = ghosts
    return found


def _in_torch(network: LeNet, case: Case) -> tuple[torch_peers.Pairs, Any]:
    start = torch_peers.layers([*case[1]["convolutions"], *case[1]["dense"]])
    return start, torch_peers.lenet(network.image, len(network.channels))


def _called(function: Gradient, case: Case) -> Program:
    compiled = jax.jit(function)
    return lambda: compiled(case[1], case[2])


def section(name: str) -> str:
    """The heading of a network's rows."""
    return f"{name} on 8 x 8 images, batch 128"


def rows(repeats: int) -> Iterator[Row]:
    """Every row of this section."""
    few = max(3, repeats // 5)
    for name, network in NETWORKS.items():
        heading = section(name)
        here = case(networks.build(network, 64, 10), 128)
        sgd, sam = (scanned(ours(rule, here), here) for rule in (Sgd(), Sam(RHO)))
        yield ratio(heading, "1-SAM step", sam, "SGD step", sgd, repeats=repeats)
        others = {
            "n-SAM step": ours(Sam(RHO, "batch"), here),
            "1-SAM step with copies of the parameters": ours(Sam(RHO), here, plain=True),
        }
        for peer, gradient in others.items():
            yield ratio(heading, "1-SAM step", sam, peer, scanned(gradient, here), repeats=few)
        by_factors, written = _called(norms(here), here), _called(written_norms(here), here)
        yield ratio(heading, "norms", by_factors, "vmap(grad)", written, repeats=few)
        if isinstance(network, LeNet):
            yield from _against_others(heading, network, here, sam, by_factors)


def _against_others(heading: str, network: LeNet, here: Case, sam: Program, by_factors: Program) -> Iterator[Row]:
    usual = (by_xla(network), *here[1:])
    peers = {
        "vmap(grad) of XLA's convolutions": scanned(vmap_grad(usual), usual),
        "SGD step by XLA's convolutions": scanned(ours(Sgd(), usual), usual),
    }
    for peer, program in (peers | torch_steps(network, here)).items():
        yield ratio(heading, "1-SAM step", sam, peer, program, repeats=3)
    for peer, program in torch_norms(network, here).items():
        yield ratio(heading, "norms", by_factors, peer, program, repeats=3)
