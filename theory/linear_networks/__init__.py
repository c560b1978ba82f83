"""Two-layer linear networks under the SAM family in closed form (Baek et al. 2024, Section 4).

gradients      every rule's gradient through sufficient statistics; Proposition 4.1 as an identity
dynamics       training as a closed system in products of the layers: steps, flow, balancedness
signal_noise   the same on signal plus noise: four numbers
margins        what J-SAM's penalty does to margins: velocities, ceiling, pull
layer_decay    how fast J-SAM shrinks the layers of any network
"""
