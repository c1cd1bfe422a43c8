"""A support vector machine of breast-cancer data on features of `hermesc.kernels`.

    hermesc compile examples/kernel_svm.py
    hermesc run kernel_svm.hermes

The Laplacian kernel by quasi-random Fourier features. Its Cauchy frequencies are cut: without that
a few large weights take the precision of all others, and the chip guesses (set cut=None to see it).
scikit-learn trains the head. Map and
head are plain modules, and their two fixed matrices go to crossbars. Data: scikit-learn's.
"""

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn

from hermesc.kernels import Laplacian, feature_map, fit_svm

SEED = 0

data, target = load_breast_cancer(return_X_y=True)
split = train_test_split(data, target, test_size=1 / 3, random_state=SEED)
x_train, x_test, y_train, y_test = (torch.from_numpy(part) for part in split)
mean, deviation = x_train.mean(0), x_train.std(0)
x_train, x_test = (((x - mean) / deviation).float() for x in (x_train, x_test))

phi = feature_map(Laplacian(gamma=0.02), 30, 256, sampler="halton", cut=2.5, seed=SEED)
model = nn.Sequential(phi, fit_svm(phi(x_train), y_train, penalty=1.0))
example_inputs = (x_test,)
labels = y_test
calibration_inputs = (x_train,)
