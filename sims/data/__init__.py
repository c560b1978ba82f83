"""Data to train on, drawn by keys; everything but the loaders can be traced.

sampling      samples of problems: Data, Split, sample, set_aside
label_noise   which labels change, and to what
mnist1d       the generator of MNIST-1D, and the published set by its package
own           an .npz file of one's own
real_data     data sets by name, loaded
mnist, cifar  two of them, from local files
label_files   observed labels from a file of one's own
idx           the file format of MNIST
examples      pixels and labels, in parts
sources       loaded data sets, kept in memory while their files stay; digests of those files
"""
