"""A fitted scikit-learn pipeline, compiled as it is.

    hermesc compile examples/sklearn_pipeline.py
    python examples/sklearn_pipeline.py test.npz     # writes the test set
    hermesc run sklearn_pipeline.hermes --inputs test.npz

Handwritten digits (scikit-learn's, two thirds for training) through random Fourier features of the
RBF kernel and a linear support vector machine; the labels are words, and the output is
`decision_function`. The same pipeline goes to `hermesc.compile(model, X_test)` from Python.
"""

import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.kernel_approximation import RBFSampler
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

WORDS = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])

X, digits = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, WORDS[digits], test_size=1 / 3, random_state=0
)
model = make_pipeline(
    StandardScaler(),
    RBFSampler(gamma=0.005, n_components=512, random_state=0),
    LinearSVC(C=0.1, random_state=0),
).fit(X_train, y_train)

example_inputs = X_test[:64]
labels = y_test[:64]
calibration_inputs = X_train

if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "test.npz"
    np.savez(path, x=X_test, labels=y_test)
    accuracy = model.score(X_test, y_test)
    print(f"wrote {path}: {len(X_test)} samples; scikit-learn's accuracy on them is {accuracy:.3f}")
