"""The kernel recursion against training written for weights and features, with the meta-gradient by differences."""

from itertools import islice

import numpy as np
import pytest

from spec.validation import InputError
from theory.reweighting import recursion as mr

N, M, D = 9, 4, 6
BETA, ETA = 0.3, 0.07


class Problem:
    """Random features and labels of a linear model; some training labels are wrong."""

    def __init__(self, rng):
        self.x, self.x_clean = rng.normal(size=(N, D)), rng.normal(size=(M, D))
        self.y, self.y_clean = rng.choice([-1.0, 1.0], N), rng.choice([-1.0, 1.0], M)
        self.mislabelled = np.arange(N) % 3 == 0
        self.t = np.where(self.mislabelled, -self.y, self.y)
        self.theta = 0.3 * rng.normal(size=D)
        self.K = mr.blocks(lambda a, b: a @ b.T, self.x, self.x_clean)
        f = np.concatenate([self.x, self.x_clean]) @ self.theta
        self.start = mr.start(self.t, self.y_clean, w=0.4, f=f)


@pytest.fixture
def problem(rng):
    return Problem(rng)


def weighted_step(p, theta, w):
    g = np.zeros(D)
    for i in range(N):
        g += w[i] * (float(p.x[i] @ theta) - p.t[i]) * p.x[i]
    return theta - ETA * g


def clean_loss(p, theta):
    return sum((float(p.x_clean[j] @ theta) - p.y_clean[j]) ** 2 / 2 for j in range(M)) / M


def by_hand(p, steps, *, alpha=BETA / ETA, ahead=True):
    """Weights and parameters, with dL/dw by central differences of the loss after a trial step."""
    theta, w, path = p.theta, np.full(N, 0.4), []
    for _ in range(steps + 1):
        path.append((w, theta))
        at = w if ahead else np.zeros(N)
        gradient = np.array([
            (clean_loss(p, weighted_step(p, theta, at + h)) - clean_loss(p, weighted_step(p, theta, at - h))) / 2e-4
            for h in 1e-4 * np.eye(N)
        ])  # fmt: skip
        w = np.minimum(1, np.maximum(0, w - alpha * gradient))
        theta = weighted_step(p, theta, w)
    return path


def test_the_recursion_is_training_by_hand(problem):
    path = mr.trajectory(problem.K, problem.start, beta=BETA, eta=ETA, steps=25)
    for t, (w, theta) in enumerate(by_hand(problem, 25)):
        np.testing.assert_allclose(path.w[t], w, atol=1e-8)
        np.testing.assert_allclose(path.r[t], problem.x @ theta - problem.t, atol=1e-8)
        np.testing.assert_allclose(path.r_clean[t], problem.x_clean @ theta - problem.y_clean, atol=1e-8)
    assert ((path.w == 0) | (path.w == 1)).any(), "the cut plays a part"


def test_wrong_algorithms_are_told_apart(problem):
    path = mr.trajectory(problem.K, problem.start, beta=BETA, eta=ETA, steps=5)
    for other in (by_hand(problem, 5, ahead=False), by_hand(problem, 5, alpha=BETA)):
        assert np.abs(path.w[-1] - other[-1][0]).max() > 1e-3


def test_signed_form_is_the_plain_form(problem):
    p = problem
    k = mr.signed_blocks(p.K, p.y, p.y_clean)
    signed = mr.signed_state(p.start, p.y, p.y_clean, p.mislabelled)
    np.testing.assert_allclose(signed.r, 1 - p.y * (p.x @ p.theta), rtol=1e-12)
    plain = mr.trajectory(p.K, p.start, beta=BETA, eta=ETA, steps=20)
    for t in range(21):
        back = mr.plain_state(signed, p.y, p.y_clean, p.mislabelled)
        for a, b in zip(back, plain, strict=True):
            np.testing.assert_allclose(a, b[t], atol=1e-12)
        signed = mr.signed_step(k, signed, p.mislabelled, beta=BETA, eta=ETA)


def test_signed_coupling_is_the_coupling(problem):
    p = problem
    signed = mr.signed_state(p.start, p.y, p.y_clean, p.mislabelled)
    G, c = mr.signed_coupling(mr.signed_blocks(p.K, p.y, p.y_clean), signed, ETA, p.mislabelled)
    np.testing.assert_allclose(c, mr.coupling(p.K.clean, p.start.r, mr.look_ahead(p.K, p.start, ETA)), rtol=1e-11)
    np.testing.assert_allclose(c, np.where(p.mislabelled, signed.r - 2, signed.r) * G, rtol=1e-12)


def test_trajectories_run_side_by_side(problem, rng):
    w = rng.uniform(size=(3, N))
    both = [np.broadcast_to(a, (3, *a.shape)) for a in problem.start[1:]]
    together = mr.trajectory(problem.K, mr.State(w, *both), beta=BETA, eta=ETA, steps=6, every=2)
    assert together.w.shape == (4, 3, N)
    for i in range(3):
        alone = mr.trajectory(problem.K, problem.start._replace(w=w[i]), beta=BETA, eta=ETA, steps=6)
        np.testing.assert_allclose(together.r[:, i], alone.r[::2], atol=1e-13)


def test_errors_reach_the_weights_only_through_the_look_ahead(problem, rng):
    """An error e of r^ adds beta r_i (K_iv e)/m before the cut; a kernel for the coupling moves nothing else."""
    p, e, meta = problem, 1e-3 * rng.normal(size=M), rng.normal(size=(M, N))
    for beta in (1e-3, 1e-2):
        noisy = mr.step(p.K, p.start, beta=beta, eta=ETA, error=e)
        plain = mr.step(p.K, p.start, beta=beta, eta=ETA)
        np.testing.assert_allclose(noisy.w - plain.w, beta * p.start.r * (e @ p.K.clean) / M, atol=1e-15)
    other = mr.step(p.K, p.start, beta=BETA, eta=ETA, meta=meta)
    np.testing.assert_allclose(other.r, p.start.r - ETA * p.K.train @ (other.w * p.start.r), atol=1e-13)
    ahead = mr.look_ahead(p.K, p.start, ETA)
    np.testing.assert_allclose(
        other.w, np.clip(p.start.w + BETA * mr.coupling(meta, p.start.r, ahead), 0, 1), atol=1e-14
    )


def test_noise_is_asked_once_for_every_step(problem):
    asked = []

    def noise(t):
        asked.append(t)
        return np.zeros(M)

    noisy = list(islice(mr.states(problem.K, problem.start, beta=BETA, eta=ETA, noise=noise), 5))
    plain = list(islice(mr.states(problem.K, problem.start, beta=BETA, eta=ETA), 5))
    assert asked == [0, 1, 2, 3]
    for a, b in zip(noisy, plain, strict=True):
        np.testing.assert_array_equal(a.w, b.w)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: mr.start(np.array([0.0, 1.0]), p.y_clean), "t must be labels -1 and 1"),
        (lambda p: mr.start(p.t, p.y_clean, w=1.5), r"w must be a number in \[0, 1\], got 1.5"),
        (lambda p: mr.trajectory(p.K, p.start, beta=-1, eta=1.0, steps=1), "beta must be a number in"),
        (lambda p: mr.trajectory(p.K, p.start, beta=1.0, eta=0.0, steps=1), "eta must be a number in"),
        (lambda p: mr.trajectory(p.K, p.start, beta=1.0, eta=1.0, steps=-1), "steps must be an integer >= 0"),
        (
            lambda p: mr.trajectory(p.K._replace(clean=p.K.clean * np.nan), p.start, beta=1.0, eta=1.0, steps=1),
            r"kernel \(clean\) must be finite everywhere",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message, problem):
    with pytest.raises(InputError, match=message):
        call(problem)
