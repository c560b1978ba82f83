"""Every rule against an independent transcription in another framework (needs the extra `peers`)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from sims import objectives, rules
from sims.models import networks
from spec.rules import JacobianSam, LogitSam, Rule, Sam, Sgd

pytestmark = pytest.mark.evidence
RULES = [Sgd(), *(kind(0.3, m) for kind in (Sam, LogitSam, JacobianSam) for m in ("example", 3, "batch"))]


def forward(params: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
        x = torch.relu(x @ w + b)
    return x @ params[-2] + params[-1]


def torch_gradient(rule: Rule, params: list[torch.Tensor], x: torch.Tensor, t: torch.Tensor) -> list[torch.Tensor]:
    """Shard by shard: ascent step, residual and Jacobian at their points, plain torch autograd."""
    size = {"example": 1, "batch": len(t)}.get(str(rule.sharpness), rule.sharpness)
    total = [torch.zeros_like(p) for p in params]
    for i in range(0, len(t), size):
        xs, ts = x[i : i + size], t[i : i + size]
        leaves = [p.clone().requires_grad_() for p in params]
        ascent = torch.autograd.grad(torch.nn.functional.cross_entropy(forward(leaves, xs), ts), leaves)
        length = torch.sqrt(sum((g**2).sum() for g in ascent))
        moved = [p + getattr(rule, "rho", 0.0) * g / length for p, g in zip(params, ascent, strict=True)]
        logit_point = moved if isinstance(rule, Sam | LogitSam) else params
        jacobian_point = moved if isinstance(rule, Sam | JacobianSam) else params
        residual = torch.softmax(forward(logit_point, xs), 1) - torch.nn.functional.one_hot(ts, 4)
        leaves = [p.clone().requires_grad_() for p in jacobian_point]
        g = torch.autograd.grad((forward(leaves, xs) * residual.detach()).sum() / len(t), leaves)
        total = [a + b for a, b in zip(total, g, strict=True)]
    return total


@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{r.name}-{r.sharpness}")
def test_rule_equals_torch(rule: Rule, key: jax.Array, rng: np.random.Generator) -> None:
    model = networks.mlp((5, 8, 7, 4))
    params = model.init(key, jnp.float64)
    x, t = rng.normal(size=(6, 5)), rng.integers(0, 4, 6)
    objective = objectives.Objective(model, objectives.cross_entropy)
    ours, _ = rules.gradient(rule, (), objective, params, objectives.Batch(jnp.asarray(x), jnp.asarray(t)))
    flat = [torch.tensor(np.asarray(p[name])) for p in params for name in ("w", "b")]
    theirs = torch_gradient(rule, flat, torch.tensor(x), torch.tensor(t))
    for mine, other in zip((p[name] for p in ours for name in ("w", "b")), theirs, strict=True):
        np.testing.assert_allclose(mine, other.numpy(), rtol=1e-9, atol=1e-12)
