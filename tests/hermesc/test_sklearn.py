"""scikit-learn transformers on the chip."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from hermesc.sklearn import AnalogNystroem, AnalogRBFSampler
from hermesrt.errors import InputError

X, Y = load_digits(return_X_y=True)
X = X[:300]
Y = Y[:300]


def sampler(**settings):
    return AnalogRBFSampler(**{"gamma": 0.001, "n_components": 64, "random_state": 0} | settings)


@pytest.mark.filterwarnings("ignore:SCIPY_ARRAY_API", "ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(
    "estimator",
    [
        AnalogRBFSampler(n_components=10, random_state=0),
        AnalogNystroem(n_components=5, random_state=0),
    ],
)
def test_scikit_learns_own_checks_hold(estimator):
    found = check_estimator(estimator, on_skip=None, on_fail=None)
    assert [c["check_name"] for c in found if c["status"] not in ("passed", "skipped")] == []
    passed = {c["check_name"] for c in found if c["status"] == "passed"}
    assert {"check_estimators_pickle", "check_fit2d_1sample"} <= passed


def test_features_are_those_of_the_sampler_with_the_chips_error():
    ours = sampler().fit_transform(X)
    exact = RBFSampler(gamma=0.001, n_components=64, random_state=0).fit_transform(X)
    error = np.linalg.norm(ours - exact) / np.linalg.norm(exact)
    assert 0.005 < error < 0.3


def test_nystroem_on_the_chip_is_near_the_exact_one():
    settings = {"kernel": "poly", "degree": 2, "n_components": 20, "random_state": 0}
    chip = AnalogNystroem(**settings).fit(X / 16)
    exact = Nystroem(**settings).fit_transform(X / 16)
    assert len(chip.program_.artifact.mvms) == 2
    np.testing.assert_allclose(chip.sampler_.transform(X / 16), exact)


def test_same_seed_same_features_another_seed_others():
    first = sampler().fit(X)
    features = first.transform(X)
    np.testing.assert_array_equal(first.transform(X), features)
    np.testing.assert_array_equal(sampler().fit_transform(X), features)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(first)).transform(X), features)
    assert not np.array_equal(sampler(random_state=1).fit_transform(X), features)


def test_random_state_seeds_the_chip_too():
    """Two draws from one generator are two chips."""
    draw = np.random.RandomState(0)
    one, two = sampler(random_state=draw).fit(X), sampler(random_state=draw).fit(X)
    assert one.chip_.device.seed != two.chip_.device.seed


def test_age_and_mode_change_the_features():
    exact = sampler().fit(X).sampler_.transform(X)
    errors = [
        np.linalg.norm(sampler(**more).fit_transform(X) - exact)
        for more in ({}, {"age": "30d"}, {"age": 30 * 86400.0}, {"mode": "1-phase"})
    ]
    assert errors[1] > errors[0]
    assert errors[1] == errors[2]
    assert errors[3] != errors[0]


def test_a_pipeline_with_it_classifies():
    model = make_pipeline(StandardScaler(), clone(sampler(gamma=0.01)), RidgeClassifier())
    assert model.fit(X[:200], Y[:200]).score(X[200:], Y[200:]) > 0.75


def test_names_and_dtype_of_the_features():
    fitted = sampler(n_components=3).fit(X)
    assert fitted.get_feature_names_out().tolist() == [f"analogrbfsampler{i}" for i in range(3)]
    assert fitted.transform(X.astype(np.float32)).dtype == np.float32
    assert fitted.transform(X).dtype == np.float64


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chip": "no-such-chip"}, "no-such-chip"),
        ({"age": "yesterday"}, "yesterday"),
        ({"age": -1.0}, "age -1: must be 0 or more"),
        ({"mode": "5-phase"}, "must be one of"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        sampler(**settings).fit(X)


def test_transform_before_fit_is_refused():
    with pytest.raises(NotFittedError):
        sampler().transform(X)


def test_without_scikit_learn_the_import_says_what_to_install():
    code = (
        "import sys; sys.modules['sklearn.base'] = None; import hermesc\n"
        "try: hermesc.sklearn\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == (
        "hermesc.sklearn needs scikit-learn 1.6 or newer: pip install 'hermesc[sklearn]'\n"
    )
