"""What an epoch costs with example weights, and with extra epochs on the clean subset, over plain cross-entropy.

n = 1000 examples of 64 numbers in 10 classes, batches of 50, 100 clean ones, an MLP 64-256-10, SGD with momentum: the
setting of FBR against the field (paper_repro.zhang2025.experiments.field).
"""

from typing import Any

import jax

from benchmarks.timing import Program, Row, ratio
from sims import objectives
from sims.data.sampling import Data, Split
from sims.models import networks
from sims.observables import scalars
from sims.rules import Context, bind
from sims.train import extra_epochs, train
from spec.clean_subset import CleanEpochs
from spec.rules import FeatureReweight, FixedReweight, MetaReweight, NormalisedReweight, Scheme
from spec.training import Training

N, M, D, CLASSES, EPOCHS = 1000, 100, 64, 10, 4
SECTION = f"Epoch with example weights, n = {N}, {M} clean, MLP {D}-256-{CLASSES}, batch 50"
TRAINING = Training(eta=0.1, epochs=EPOCHS, batch=50, momentum=0.9, record_every=EPOCHS)
PLAIN = FixedReweight(1.0, 1.0)


def _split(seed: int, n: int) -> Split:
    draw, labels, wrong = jax.random.split(jax.random.key(seed), 3)
    y, t = (jax.random.randint(k, (n,), 0, CLASSES) for k in (labels, wrong))
    return Split(jax.random.normal(draw, (n, D)), t, y)


def epochs(scheme: Scheme, extra: int) -> Program:
    """EPOCHS epochs of training in one compiled program."""
    train_split, clean, held = _split(0, N), _split(1, M), _split(2, M)
    model = networks.mlp((D, 256, CLASSES))

    @jax.jit
    def run(params: Any, train_split: Split, clean: Split) -> Any:
        return train(
            bind(scheme, Context(train_split, clean, jax.random.key(5))),
            TRAINING,
            model=model,
            loss=objectives.cross_entropy,
            params=params,
            data=Data(train_split, held, held),
            observe=scalars.accuracies,
            key=jax.random.key(3),
            extra=extra_epochs(CleanEpochs(extra, 50), clean),
        )[0]

    params = model.init(jax.random.key(4), jax.numpy.float32)
    return lambda: run(params, train_split, clean)


def rows(repeats: int) -> list[Row]:
    """Each scheme, and cross-entropy with extra epochs, against plain cross-entropy."""
    plain = epochs(PLAIN, 0)
    schemes: dict[str, tuple[Scheme, int]] = {
        "cross-entropy, V = 30": (PLAIN, 30),
        "L2RW": (NormalisedReweight(), 0),
        "clipped meta-reweighting": (MetaReweight(10.0, 0.1), 0),
        "FBR": (FeatureReweight(switch=EPOCHS, skip=0), 0),
        "FBR, V = 30": (FeatureReweight(switch=EPOCHS, skip=0), 30),
    }
    return [
        ratio(SECTION, name, epochs(scheme, extra), "cross-entropy", plain, repeats=repeats)
        for name, (scheme, extra) in schemes.items()
    ]
