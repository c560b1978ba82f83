"""Claims that hold at finite n without approximation: the recursion, its signed form, filtering, FBR's identities."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, arrays, caps, linear_blocks, train
from sims import objectives, tangent_kernel
from sims.models import networks
from sims.models.linearised import linearised
from sims.rules import feature_reweighting, meta_reweighting
from spec.claims import Claim, Exact, Mutant, Sample
from spec.rules import FeatureReweight
from theory import ntk
from theory.reweighting import phases
from theory.reweighting import recursion as theory

ALGORITHM = "the algorithm of Zhang et al. (2025); the formula is derived here"
OURS = "derived here for the setting of Zhang et al. (2025)"
BETA, ETA, STEPS, WIDTH = 1.0, 0.01, 12, 32


class Network(NamedTuple):
    """A problem, a network linearised at params with its kernel, and the state there."""

    problem: TwoClasses
    model: networks.Model
    params: Any
    K: theory.Blocks
    start: theory.State


def network(sample: Sample) -> Network:
    """A ReLU network linearised at random parameters, with outputs there that are not zero."""
    problem = caps(np.random.default_rng(sample.seed), n=30, m=6, d=4, s=0.5, p=0.4)
    model = networks.mlp((4, WIDTH, 1), scaling="ntk")
    params = model.init(jax.random.key(sample.seed), jnp.float64)
    x, x_clean = jnp.asarray(problem.x), jnp.asarray(problem.x_clean)
    f = np.asarray(model.apply(params, jnp.concatenate([x, x_clean])))
    blocks = [np.asarray(tangent_kernel.empirical(model, params, a, x)) for a in (x, x_clean)]
    start = theory.start(problem.t, problem.y_clean, f=f)
    return Network(problem, linearised(model, params), params, theory.Blocks(*blocks), start)


def _simulated(case: Network, **wrong: Any) -> FloatArray:
    settings = {"beta": BETA, "eta": ETA} | wrong
    return _flat(train(case.problem, steps=STEPS, model=case.model, params=case.params, **settings))


def _flat(path: theory.State) -> FloatArray:
    return np.concatenate([a.ravel() for a in path])


def _recursion(case: Network) -> FloatArray:
    return _flat(theory.trajectory(case.K, case.start, beta=BETA, eta=ETA, steps=STEPS))


def _unclipped(case: Network) -> FloatArray:
    K, state = case.K, case.start
    path = [state]
    for _ in range(STEPS):
        w = state.w + BETA * theory.coupling(K.clean, state.r, theory.look_ahead(K, state, ETA))
        pull = ETA * w * state.r
        state = theory.State(w, state.r - K.train @ pull, state.r_clean - K.clean @ pull)
        path.append(state)
    return _flat(theory.State(*map(np.stack, zip(*path, strict=True))))


RECURSION = Claim(
    id="zhang2025.recursion",
    origin="derived",
    source=ALGORITHM,
    statement="A linearised network under clipped meta-reweighting follows the kernel recursion exactly.",
    regime="squared loss, full batch; a ReLU network linearised at random parameters; weights reach both ends",
    tolerance=Exact(),
    setup=network,
    predicted=_recursion,
    measured=_simulated,
    mutants=(
        Mutant("weights not clipped", predicted=_unclipped),
        Mutant("look-ahead dropped", measured=partial(_simulated, look_ahead=False)),
        Mutant("sign of the coupling", measured=partial(_simulated, beta=-BETA)),
        Mutant("alpha = beta instead of beta/eta", measured=partial(_simulated, beta=BETA * ETA)),
        Mutant("model step with the mean of the losses", measured=partial(_simulated, eta=ETA / 30)),
    ),
    theory="theory.reweighting.recursion.step",
    figure="zhang2025.phases",
)


def _signed(case: Network, *, noisy_residual: float = 2.0) -> FloatArray:
    """c in signed form at the start; the residual of a mislabelled example is 2 - rho."""
    problem, state = case.problem, case.problem.signed(case.start)
    k = theory.signed_blocks(case.K, problem.y, problem.y_clean)
    G = theory.signed_coupling(k, state, ETA, problem.mislabelled)[0]
    return np.where(problem.mislabelled, state.r - noisy_residual, state.r) * G


def _couplings(case: Network, factor: float = 1.0) -> FloatArray:
    train_split, clean = (objectives.Batch(split.x, split.t) for split in arrays(case.problem))
    objective, n = objectives.Objective(case.model, objectives.squared), len(case.problem.t)
    couplings = jax.jit(partial(meta_reweighting.couplings, objective))
    return np.asarray(couplings(case.params, train_split, clean, jnp.full(n, 0.5), factor * ETA * n))


SIGNED = Claim(
    id="zhang2025.signed_coupling",
    origin="derived",
    source=OURS,
    statement="The coupling is rho_i G_i on clean and -(2 - rho_i) G_i on mislabelled examples: one sign decides.",
    regime="any kernel, outputs that need not be zero; squared loss",
    tolerance=Exact(),
    setup=network,
    predicted=_signed,
    measured=_couplings,
    mutants=(
        Mutant("look-ahead dropped", measured=partial(_couplings, factor=0.0)),
        Mutant("mislabelled residual -rho", predicted=partial(_signed, noisy_residual=0.0)),
        Mutant("mislabelled residual 1 - rho", predicted=partial(_signed, noisy_residual=1.0)),
    ),
    theory="theory.reweighting.recursion.signed_coupling",
)


TIMES = np.array([0.0, 1.0, 7.0, 40.0, 400.0])


def _filters(sample: Sample) -> list[TwoClasses]:
    rng = np.random.default_rng(sample.seed)
    return [caps(rng, n=16, m=5, d=30, s=0.7, p=0.4, contained=contained) for contained in (False, True)]


def _closed_form(case: list[TwoClasses], *, eta: float = 0.1) -> FloatArray:
    """Residuals of training and clean examples at TIMES and at the end, with weights 1 on the clean training ones."""
    found = []
    for problem in case:
        clean = ~problem.mislabelled
        k = theory.signed_blocks(linear_blocks(problem), problem.y, problem.y_clean)
        cut = theory.Blocks(k.train[np.ix_(clean, clean)], k.clean[:, clean])
        state = problem.signed(problem.start)
        f = phases.Filtering(cut, state.r[clean], state.r_clean, np.ones(int(clean.sum())), eta)
        found += [a.ravel() for a in f.residuals(TIMES)] + [f.plateau]
    return np.concatenate(found)


def _descended(case: list[TwoClasses], noisy: float = 0.0) -> FloatArray:
    """The same by gradient descent on clean examples, the plateau after 4000 steps; noisy: weight of the others."""
    found = []
    for problem in case:
        w = np.where(problem.mislabelled, noisy, 1.0)
        path = np.asarray(_path(jnp.asarray(w), jnp.asarray(problem.x), jnp.asarray(problem.t)))
        thetas = path[TIMES.astype(int)]
        rho = (1 - problem.y * (thetas @ problem.x.T))[:, ~problem.mislabelled]
        rho_clean = 1 - problem.y_clean * (thetas @ problem.x_clean.T)
        found += [rho.ravel(), rho_clean.ravel(), 1 - problem.y_clean * (problem.x_clean @ path[4000])]
    return np.concatenate(found)


@jax.jit
def _path(w: jax.Array, x: jax.Array, t: jax.Array) -> jax.Array:
    def loss(theta: jax.Array) -> jax.Array:
        return jnp.sum(w * jax.vmap(objectives.squared)(x @ theta, t))

    def step(theta: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        return theta - 0.1 * jax.grad(loss)(theta), theta

    return jax.lax.scan(step, jnp.zeros(x.shape[1]), None, length=4001)[1]


FILTERING = Claim(
    id="zhang2025.filtering",
    origin="derived",
    source=OURS,
    statement="With weights 1 on clean and 0 on mislabelled examples residuals follow (I - eta k_CC)^t; the clean "
    "subset ends at the kernel-interpolation error held out, and at zero contained in the training set.",
    regime="frozen weights, squared loss, linear model with d > n; at times 0 to 400, and at the end",
    tolerance=Exact(1e-9),
    setup=_filters,
    predicted=_closed_form,
    measured=_descended,
    mutants=(
        Mutant("mislabelled examples still count", measured=partial(_descended, noisy=0.1)),
        Mutant("half the step", predicted=partial(_closed_form, eta=0.05)),
        Mutant("held out like contained", predicted=lambda c: _closed_form([c[1], c[1]])),
    ),
    theory="theory.reweighting.phases.Filtering",
    figure="zhang2025.phases",
)


class Features(NamedTuple):
    """Features and labels of a batch and of a balanced clean subset."""

    phi: Any
    t: Any
    phi_clean: Any
    t_clean: Any
    classes: int = 5


def features(sample: Sample) -> Features:
    """Class centres, a common part, a third of the observed labels wrong."""
    rng = np.random.default_rng(sample.seed)
    C = 5
    centres = rng.normal(size=(C, 8))
    y, y_clean = rng.integers(0, C, 40), np.arange(20) % C
    phi, phi_clean = (centres[c] + rng.normal(size=(len(c), 8)) + 1.5 for c in (y, y_clean))
    return Features(phi, np.where(np.arange(40) % 3 == 0, (y + 1) % C, y), phi_clean, y_clean)


def _directions(case: Features, alpha: float = 0.25) -> FloatArray:
    eye = jnp.eye(case.classes)
    arguments = (case.phi, eye[case.t], case.phi_clean, eye[case.t_clean], alpha)
    return np.asarray(_compiled_directions(*map(jnp.asarray, arguments)))


@jax.jit
def _compiled_directions(phi: Any, one_hot: Any, phi_clean: Any, clean_one_hot: Any, alpha: Any) -> Any:
    K = feature_reweighting.agreements(FeatureReweight(), phi, phi_clean, clean_one_hot)
    return feature_reweighting.directions(K, one_hot, alpha)


def _last_layer(case: Features, *, centred: bool = True) -> FloatArray:
    """C^2/(C - 1) times the cross-entropy coupling of a last layer at zero, by autodiff."""
    C, mu = case.classes, case.phi_clean.mean(axis=0) if centred else 0.0
    head = [{"w": jnp.zeros((case.phi.shape[1], C)), "b": jnp.zeros(C)}]
    batch = objectives.Batch(jnp.asarray(case.phi - mu), jnp.asarray(case.t))
    clean = objectives.Batch(jnp.asarray(case.phi_clean), jnp.asarray(case.t_clean))
    objective = objectives.Objective(networks.mlp((case.phi.shape[1], C)), objectives.cross_entropy)
    c = jax.jit(partial(meta_reweighting.couplings, objective))(head, batch, clean, jnp.full(len(case.t), 0.5), 0.0)
    return C**2 / (C - 1) * np.asarray(c)


def _from_kernels(case: Features, *, centred: bool = True) -> FloatArray:
    """The same from inner products of features alone."""
    C, m = case.classes, len(case.t_clean)
    first, among = case.phi @ case.phi_clean.T, case.phi_clean @ case.phi_clean.T
    kernel = ntk.centred(first, first, among, among, np.full(m, 1 / m)) if centred else first
    return C**2 / (C - 1) * ntk.uniform_coupling(kernel, case.t, case.t_clean, C)


def _stated_directions(case: Features, *, centred: bool = True) -> FloatArray:
    return np.stack([_last_layer(case, centred=centred), _from_kernels(case, centred=centred)])


FBR_IS_META = Claim(
    id="zhang2025.fbr_is_last_layer",
    origin="derived",
    source="derived here; FBR as in the first author's code",
    statement="FBR's direction with alpha = 1/(C-1) is C^2/(C-1) times the centred last-layer meta-gradient of "
    "cross-entropy at uniform predictions, by autodiff and from kernels alone.",
    regime="balanced clean subset, last layer at zero, any features",
    tolerance=Exact(),
    setup=features,
    predicted=_stated_directions,
    measured=_directions,
    mutants=(
        Mutant("features not centred", predicted=partial(_stated_directions, centred=False)),
        Mutant("alpha = 0", measured=partial(_directions, alpha=0.0)),
        Mutant("alpha = 1", measured=partial(_directions, alpha=1.0)),
    ),
    theory="theory.ntk.centred",
)

CLAIMS = (RECURSION, SIGNED, FILTERING, FBR_IS_META)
