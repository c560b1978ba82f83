"""Data to train on, drawn by keys; everything but the loaders can be traced.

sampling      samples of problems: Data, Split, sample, set_aside
label_noise   which labels change, and to what
mnist1d       the generator of MNIST-1D
real_data     loaders: MNIST, CIFAR, scikit-learn's digits
idx           the file format of MNIST
sources       loaded data sets, kept in memory while their files stay; digests of those files
"""
