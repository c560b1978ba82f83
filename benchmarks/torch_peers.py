"""The same steps and sweeps in PyTorch, where it is installed (the extra `peers`); otherwise there are none."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.timing import Program

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]


Pairs = list[tuple[Any, Any]]  # (weights, bias) of every layer, shaped as in JAX


def layers(params: Any) -> Pairs:
    """Layers {"w", "b"} of numpy arrays as tensors."""
    return [(torch.tensor(np.asarray(p["w"])), torch.tensor(np.asarray(p["b"]))) for p in params]


def mlp(p: Pairs, x: Any) -> Any:
    """The logits of an MLP."""
    for w, b in p[:-1]:
        x = torch.relu(x @ w + b)
    return x @ p[-1][0] + p[-1][1]


def lenet(image: tuple[int, int, int], convolutions: int) -> Callable[[Pairs, Any], Any]:
    """The logits of a LeNet whose first layers are convolutions."""

    def logits(p: Pairs, x: Any) -> Any:
        h = x.reshape(-1, *image).permute(0, 3, 1, 2)
        for w, b in p[:convolutions]:
            h = torch.relu(torch.nn.functional.conv2d(h, w.permute(3, 2, 0, 1), b, padding="same"))
            h = torch.nn.functional.avg_pool2d(h, 2)
        return mlp(p[convolutions:], h.permute(0, 2, 3, 1).reshape(len(h), -1))

    return logits


def steps(
    start: Pairs, logits: Callable[[Pairs, Any], Any], batch: Any, rho: float, eta: float, count: int
) -> dict[str, Program]:
    """`count` 1-SAM steps by torch.func, and by a loop over examples; they give the first layer's weights."""
    x, t = torch.tensor(np.asarray(batch[0])), torch.tensor(np.asarray(batch[1])).long()

    def loss(p: Any, xi: Any, ti: Any) -> Any:
        return torch.nn.functional.cross_entropy(logits(p, xi[None])[0], ti)

    def moved(p: Any, g: Any, scale: Any) -> Any:
        return [(w + scale * gw, b + scale * gb) for (w, b), (gw, gb) in zip(p, g, strict=True)]

    def norm(g: Any) -> Any:
        return torch.sqrt(sum((a**2).sum() for pair in g for a in pair))

    gradient = torch.func.grad(loss)

    def one(p: Any, xi: Any, ti: Any) -> Any:
        g = gradient(p, xi, ti)
        return gradient(moved(p, g, rho / norm(g)), xi, ti)

    def vectorised() -> Any:
        p = start
        for _ in range(count):
            g = torch.func.vmap(one, (None, 0, 0))(p, x, t)
            p = moved(p, [(gw.mean(0), gb.mean(0)) for gw, gb in g], -eta)
        return p[0][0].numpy()

    def by_autograd(p: Any, xi: Any, ti: Any) -> Any:
        leaves = [(w.detach().requires_grad_(), b.detach().requires_grad_()) for w, b in p]
        flat = torch.autograd.grad(loss(leaves, xi, ti), [a for pair in leaves for a in pair])
        return list(zip(flat[::2], flat[1::2], strict=True))

    def looped() -> Any:
        p = start
        for _ in range(count):
            total = [(torch.zeros_like(w), torch.zeros_like(b)) for w, b in p]
            for xi, ti in zip(x, t, strict=True):
                g = by_autograd(p, xi, ti)
                total = moved(total, by_autograd(moved(p, g, rho / norm(g)), xi, ti), 1 / len(t))
            p = moved(p, total, -eta)
        return p[0][0].numpy()

    return {"torch.func": vectorised, "PyTorch, loop over examples": looped}


def norms(start: Pairs, logits: Callable[[Pairs, Any], Any], batch: Any) -> Program:
    """Norms of every example's gradient by torch.func."""
    x, t = torch.tensor(np.asarray(batch[0])), torch.tensor(np.asarray(batch[1])).long()
    gradient = torch.func.grad(lambda p, xi, ti: torch.nn.functional.cross_entropy(logits(p, xi[None])[0], ti))

    def norm(xi: Any, ti: Any) -> Any:
        return torch.sqrt(sum((a**2).sum() for pair in gradient(start, xi, ti) for a in pair))

    return lambda: torch.func.vmap(norm)(x, t).numpy()


def ghost_norms(start: Pairs, image: tuple[int, int, int], convolutions: int, batch: Any) -> Program:
    """The same for a LeNet by the ghost norms of Opacus, whose modules keep images with colours first."""
    from opacus.grad_sample import GradSampleModuleFastGradientClipping

    def given(layer: Any, w: Any, b: Any) -> Any:
        layer.weight.data, layer.bias.data = w.contiguous(), b
        return layer

    nn, parts = torch.nn, []
    for w, b in start[:convolutions]:
        kernel = w.permute(3, 2, 0, 1)
        parts += [given(nn.Conv2d(*w.shape[2:], w.shape[0], padding="same"), kernel, b), nn.ReLU(), nn.AvgPool2d(2)]
    channels = start[convolutions - 1][0].shape[-1]
    places = start[convolutions][0].reshape(-1, channels, start[convolutions][0].shape[1])  # Flatten has colours first
    dense = [(places.permute(1, 0, 2).flatten(0, 1), start[convolutions][1]), *start[convolutions + 1 :]]
    parts.append(nn.Flatten())
    for w, b in dense:
        parts += [given(nn.Linear(*w.shape), w.T, b), nn.ReLU()]
    module = GradSampleModuleFastGradientClipping(nn.Sequential(*parts[:-1]), loss_reduction="sum", strict=False)
    x = torch.tensor(np.asarray(batch[0])).reshape(-1, *image).permute(0, 3, 1, 2).contiguous()
    t = torch.tensor(np.asarray(batch[1])).long()

    def run() -> Any:
        nn.functional.cross_entropy(module(x), t, reduction="sum").backward()
        found = module.get_norm_sample().numpy()
        module.zero_grad()
        return found

    return run


def logistic_sweep(w: np.ndarray, rho: np.ndarray, x: np.ndarray, t: np.ndarray, eta: float, count: int) -> Program:
    """`count` 1-SAM steps of logistic regression for every configuration in turn, by the closed form in PyTorch."""
    x, t = torch.tensor(x), torch.tensor(t)

    def run() -> Any:
        finals = []
        for start, r in zip(torch.tensor(w), torch.tensor(rho), strict=True):
            v, shift = start.clone(), r * torch.linalg.norm(x, dim=1)
            for _ in range(count):
                v += eta / len(t) * ((torch.sigmoid(shift - t * (x @ v)) * t) @ x)
            finals.append(v)
        return torch.stack(finals).numpy()

    return run


def meta_gradient(params: Any, batch: Any, clean: Any, w: Any, eta: float, classes: int | None) -> Program:
    """dL/dw by differentiating through a gradient step with create_graph; arguments as in benchmarks.meta_gradient."""
    leaves = [torch.tensor(np.array(p[name]), requires_grad=True) for p in params for name in ("w", "b")]
    (x, t), (x_clean, t_clean) = (tuple(torch.tensor(np.array(a)) for a in b) for b in (batch, clean))
    weights = torch.tensor(np.array(w), requires_grad=True)

    def losses(p: Any, x: Any, t: Any) -> Any:
        for a, b in zip(p[:-2:2], p[1:-2:2], strict=True):
            x = torch.relu(x @ a + b)
        f = x @ p[-2] + p[-1]
        if classes is None:
            return (f[:, 0] - t) ** 2 / 2
        return torch.nn.functional.cross_entropy(f, t.long(), reduction="none")

    def run() -> Any:
        g = torch.autograd.grad((weights * losses(leaves, x, t)).mean(), leaves, create_graph=True)
        ahead = [p - eta * gi for p, gi in zip(leaves, g, strict=True)]
        return torch.autograd.grad(losses(ahead, x_clean, t_clean).mean(), weights)[0].numpy()

    return run
