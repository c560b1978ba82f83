"""Training as it is done: data, models, rules and what is recorded, from the records of spec.

Importing any part of sims makes every rule of spec.rules and every record of spec.observables known.

runs, train                 a TrainingRun over seeds; one training as one function
over_seeds                  seeds one after another, in blocks, and with a block on each device
programs, divergence        compiled programs that runs share; runs that left the finite numbers
fitting, own_loop           training of one's own network on one's own labels, and a rule in one's own loop
checkpoints, suspects       what a training needs to go on, and which of its examples look mislabelled
objectives                  batches and losses: what a rule takes the gradient of
layers                      the one layer that networks are made of; convolutions and scales by it
factors, layer_factors      per-example gradients as factors of their layers, hardly ever written out
per_example                 per-example gradients as factors of their layers, hardly ever written out
tracing                     which networks have factors, and which have gradients of single examples
tangent_kernel              the empirical tangent kernel, from the same factors
data, models, observables   what is trained on, what is trained, what is recorded
rules                       the gradient of every rule, and rules bound to a training split
"""

from sims import rules
from sims.fitting import fit
from sims.observables import composition, correction, scalars, sign_terms
from sims.runs import simulate

__all__ = ["composition", "correction", "fit", "rules", "scalars", "sign_terms", "simulate"]
