"""Networks of layers with several positions, on 8 x 8 images, float32: steps, and norms of examples' gradients."""

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.steps import RHO, Case, Gradient, case, ours, scanned, vmap_grad
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


def _called(function: Gradient, case: Case) -> Program:
    compiled = jax.jit(function)
    return lambda: compiled(case[1], case[2])


def rows(repeats: int) -> list[Row]:
    """Every row of this section."""
    few, found = max(3, repeats // 5), []
    for name, network in NETWORKS.items():
        section = f"{name} on 8 x 8 images, batch 128"
        here = case(networks.build(network, 64, 10), 128)
        sgd, sam = (scanned(ours(rule, here), here) for rule in (Sgd(), Sam(RHO)))
        rules = {"1-SAM step": sam, "n-SAM step": scanned(ours(Sam(RHO, "batch"), here), here)}
        found += [ratio(section, "SGD step", sgd, peer, other, repeats=few) for peer, other in rules.items()]
        plain = scanned(ours(Sam(RHO), here, plain=True), here)
        found.append(ratio(section, "1-SAM step", sam, "copies of the parameters", plain, repeats=few))
        written = _called(written_norms(here), here)
        found.append(ratio(section, "norms", _called(norms(here), here), "vmap(grad)", written, repeats=few))
        if isinstance(network, LeNet):
            usual = (by_xla(network), *here[1:])
            peers = {
                "vmap(grad) of XLA's convolutions": vmap_grad(usual),
                "SGD by XLA's convolutions": ours(Sgd(), usual),
            }
            found += [
                ratio(section, "1-SAM step", sam, peer, scanned(g, usual), repeats=3) for peer, g in peers.items()
            ]
    return found
