r"""How fast J-SAM shrinks the layers of a network, layer by layer.

Let w_l be a layer with which the logits are homogeneous of degree one at fixed other layers, g_i = grad <q_i, f_i> the
gradient of example i with its residual q_i = d l_i/d f_i held fixed, and g_il its part in the layer. Euler's identity
<w_l, g_il> = <q_i, f_i> at w and at w + eps_i gives, with eps_i = rho g_i/||g_i||,

    <w_l, J-SAM gradient - SGD gradient>_i = <q_i, f_i(w + eps_i) - f_i(w)> - <eps_il, g_il(w + eps_i)>
                                           = rho (||g_i||^2 - ||g_il||^2)/||g_i|| + O(rho^2)  >=  0.

So every layer decays, at first order, at a rate set by the gradients of the *other* layers; the sum over L layers is
(L - 1) rho ||g_i||. This is Proposition 4.1 of Baek et al. (2024) for deep networks. Valid for every layer of a linear
or ReLU network without biases, and for the weights of the last layer of any network (its own bias counted in the
layer). For two-layer linear networks there is no remainder. Derived here.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from spec.validation import require, require_real

FloatArray = NDArray[np.float64]


def decay(rho: float, squares: FloatArray) -> FloatArray:
    """mean_i rho (||g_i||^2 - ||g_il||^2)/||g_i||, (L,), from squares ||g_il||^2 (n, L); 0 for examples with g_i = 0.

    It is -d(||w_l||^2/2)/dtau under J-SAM, minus that under SGD. Raises InputError for a negative rho or square.

    Checked by `baek2024.layer_decay`, `baek2024.last_layer_decay`.

    >>> import numpy as np
    >>> decay(0.1, np.array([[3.0, 1.0], [0.0, 4.0]])).round(3)
    array([0.125, 0.075])
    """
    require_real("rho", rho, low=0.0)
    require(squares.ndim == 2 and bool(np.all(squares >= 0)), "squares", squares.shape, "numbers >= 0 of shape (n, L)")
    total = np.sum(squares, axis=1, keepdims=True)
    scale = np.divide(rho, np.sqrt(total), out=np.zeros_like(total), where=total > 0)
    return np.mean(scale * (total - squares), axis=0)


def first_order_change(rho: FloatArray, m: FloatArray, penalty: FloatArray) -> FloatArray:
    r"""rho sigma(-m) grad ||grad f||: what J-SAM adds to the SGD gradient of one example, up to O(rho^2), any network.

    m (k,): margins t f; penalty (k, p): grad ||grad f||; rho (r,). Shape (k, r, p). Proof: theory.symbolic.networks.

    Checked by `baek2024.jacobian_expansion`.
    """
    return (np.asarray(rho)[:, None] * (expit(-m)[:, None] * penalty)[:, None]).astype(float)
