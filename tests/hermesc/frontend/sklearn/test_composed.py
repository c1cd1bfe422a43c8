"""Estimators made of others, likelihoods, trees and look-ups compute what scikit-learn computes."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical, PLSRegression
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, DotProduct, Matern, WhiteKernel
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    TweedieRegressor,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import hermesc
from hermesc.frontend.load import make_source
from hermesc.frontend.request import ModelRequest
from hermesc.frontend.sklearn.compose import output_method
from hermesc.frontend.sklearn.source import indicators
from hermesrt.errors import UnsupportedOpError

SHAPES = [(60, 3), (75, 5), (90, 8)]
ROWS = [1, 7, 30]


def seeded(kind, *parts, **settings):
    return kind(*parts, random_state=0, **settings)


def scaled(last):
    return make_pipeline(StandardScaler(), last)


def binned(**settings):
    return KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf", **settings)


def several(*parts):
    return [(f"e{i}", part) for i, part in enumerate(parts)]


def back(regressor, **settings):
    return TransformedTargetRegressor(regressor, **settings)


CLASSES, TWO, NUMBER, POSITIVE, PAIR, NAMES, NONE = range(7)
CASES = {
    "logarithm of targets": (back(Ridge(), func=np.log, inverse_func=np.exp), POSITIVE),
    "scaled targets": (back(scaled(SVR()), transformer=StandardScaler()), NUMBER),
    "powers of targets": (back(Ridge(), transformer=PowerTransformer()), NUMBER),
    "Box-Cox of targets": (back(Ridge(), transformer=PowerTransformer("box-cox")), POSITIVE),
    "quantiles of targets": (
        back(
            Ridge(),
            transformer=QuantileTransformer(n_quantiles=20, output_distribution="normal"),
        ),
        NUMBER,
    ),
    "two targets, three scalers": (
        back(Ridge(), transformer=make_pipeline(MinMaxScaler(), RobustScaler(), MaxAbsScaler())),
        PAIR,
    ),
    "calibrated by sigmoids": (CalibratedClassifierCV(scaled(LinearSVC()), cv=3), CLASSES),
    "calibrated by steps": (
        CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=3),
        CLASSES,
    ),
    "calibrated probabilities": (CalibratedClassifierCV(GaussianNB(), cv=3), TWO),
    "soft votes": (
        VotingClassifier(
            several(LogisticRegression(), "drop", GaussianNB()), voting="soft", weights=[2, 1, 3]
        ),
        CLASSES,
    ),
    "hard votes": (VotingClassifier(several(SVC(), GaussianNB(), LinearSVC())), CLASSES),
    "hard votes of two": (
        VotingClassifier(several(SVC(), GaussianNB(), RidgeClassifier()), weights=[1, 3, 1]),
        NAMES,
    ),
    "votes of regressors": (VotingRegressor(several(Ridge(), SVR()), weights=[1, 3]), NUMBER),
    "a bag": (seeded(BaggingClassifier, SVC(), n_estimators=3), CLASSES),
    "a bag of columns": (
        seeded(BaggingClassifier, LogisticRegression(), n_estimators=3, max_features=0.5),
        TWO,
    ),
    "a bag of votes": (
        seeded(BaggingClassifier, VotingClassifier(several(SVC(), GaussianNB())), n_estimators=2),
        TWO,
    ),
    "a bag of regressors": (
        seeded(BaggingRegressor, Ridge(), n_estimators=3, max_features=2),
        NUMBER,
    ),
    "a stack": (
        StackingClassifier(several(LogisticRegression(), SVC(), "drop"), cv=3),
        CLASSES,
    ),
    "a stack with its rows": (
        StackingClassifier(several(LogisticRegression(), GaussianNB()), passthrough=True, cv=3),
        TWO,
    ),
    "a stack of predictions": (
        StackingClassifier(
            several(LogisticRegression(), LinearSVC()),
            stack_method="predict",
            final_estimator=seeded(DecisionTreeClassifier, max_depth=2),
            cv=3,
        ),
        CLASSES,
    ),
    "a stack of regressors": (StackingRegressor(several(Ridge(), SVR()), cv=3), NUMBER),
    "several targets": (MultiOutputRegressor(SVR()), PAIR),
    "several classes a row": (MultiOutputClassifier(LogisticRegression()), "classes of two"),
    "several decisions a row": (MultiOutputClassifier(LinearSVC()), "classes of two"),
    "targets in a chain": (RegressorChain(Ridge(), order=[1, 0]), PAIR),
    "one against one": (OneVsOneClassifier(scaled(LinearSVC())), CLASSES),
    "one against one, likelihoods": (OneVsOneClassifier(GaussianNB()), CLASSES),
    "one against one of two": (OneVsOneClassifier(LinearSVC()), TWO),
    "one against the rest, likelihoods": (OneVsRestClassifier(GaussianNB()), CLASSES),
    "one against the rest of two": (
        OneVsRestClassifier(seeded(DecisionTreeClassifier, max_depth=2)),
        TWO,
    ),
    "PLS": (PLSRegression(2), PAIR),
    "PLS of one target": (PLSRegression(2), NUMBER),
    "canonical PLS": (PLSCanonical(2), PAIR),
    "CCA": (CCA(1), PAIR),
    "PLS by SVD": (PLSSVD(2), PAIR),
    "Poisson": (scaled(PoissonRegressor()), POSITIVE),
    "gamma": (scaled(GammaRegressor()), POSITIVE),
    "Tweedie": (scaled(TweedieRegressor(power=0)), NUMBER),
    "QDA": (QuadraticDiscriminantAnalysis(reg_param=0.1), CLASSES),
    "QDA of two": (QuadraticDiscriminantAnalysis(reg_param=0.1), TWO),
    "a process of two classes": (GaussianProcessClassifier(2.0 * RBF(1.5), optimizer=None), TWO),
    "a process of classes": (
        GaussianProcessClassifier(
            DotProduct() ** 2 + Matern(nu=1.5) + WhiteKernel(), optimizer=None
        ),
        CLASSES,
    ),
    "naive Bayes": (GaussianNB(), CLASSES),
    "naive Bayes of counts": (make_pipeline(MinMaxScaler(), MultinomialNB()), CLASSES),
    "naive Bayes of bits": (BernoulliNB(binarize=0.2), CLASSES),
    "bins in columns": (make_pipeline(binned(), Ridge()), NUMBER),
    "bins by number": (binned(encode="ordinal"), NONE),
    "categories": (
        make_pipeline(binned(encode="ordinal"), OneHotEncoder(drop="first"), Ridge()),
        NUMBER,
    ),
    "places of categories": (make_pipeline(binned(encode="ordinal"), OrdinalEncoder()), NONE),
    "quantiles": (QuantileTransformer(n_quantiles=20), NONE),
    "normal quantiles": (
        QuantileTransformer(n_quantiles=20, output_distribution="normal"),
        NONE,
    ),
    "a tree": (seeded(DecisionTreeClassifier), CLASSES),
    "a tree of numbers": (seeded(DecisionTreeRegressor), NUMBER),
    "a forest": (seeded(RandomForestClassifier, n_estimators=3), CLASSES),
    "a forest of numbers": (seeded(ExtraTreesRegressor, n_estimators=3), NUMBER),
    "boosted trees": (seeded(GradientBoostingClassifier, n_estimators=3), CLASSES),
    "boosted trees of two": (seeded(GradientBoostingClassifier, n_estimators=3), TWO),
    "boosted numbers": (seeded(GradientBoostingRegressor, n_estimators=3), NUMBER),
    "boosted bins": (HistGradientBoostingClassifier(max_iter=3), CLASSES),
    "boosted counts": (HistGradientBoostingRegressor(loss="poisson", max_iter=3), POSITIVE),
    "AdaBoost": (seeded(AdaBoostClassifier, n_estimators=3), CLASSES),
    "AdaBoost of two": (seeded(AdaBoostClassifier, n_estimators=3), TWO),
    "an isolation forest": (seeded(IsolationForest, n_estimators=3), NONE),
} | {
    f"splines, {how} {degree}": (
        SplineTransformer(degree=degree, extrapolation=how, include_bias=degree != 2),
        NONE,
    )
    for how in ("constant", "linear", "continue", "periodic")
    for degree in (1, 2, 3)
    if (how, degree) != ("linear", 1)
}


def targets(kind, x):
    number = x[:, 0] * x[:, 1] - x[:, 2]
    classes = (x[:, 0] > 0.3).astype(int) + (x[:, 1] > 0)
    return {
        CLASSES: classes,
        TWO: (number > 0).astype(int),
        NAMES: np.where(number > 0, "yes", "no"),
        NUMBER: number,
        POSITIVE: np.exp(number / 4),
        PAIR: np.stack([number, x[:, 1] ** 2], 1),
        "classes of two": np.stack([classes, number > 0], 1).astype(int),
        NONE: None,
    }[kind]


def answer(estimator, rows):
    """What scikit-learn says, in the columns that a program has."""
    method = output_method(estimator)
    found = getattr(estimator, method)(rows)
    if method == "predict" and hasattr(estimator, "classes_"):
        found = indicators(found, estimator.classes_)
    found = found.toarray() if hasattr(found, "toarray") else found
    return np.concatenate(found, 1) if isinstance(found, list) else found


@pytest.mark.parametrize("name", CASES)
def test_module_equals_scikit_learn_on_three_shapes(name):
    made, kind = CASES[name]
    for (rows, columns), count in zip(SHAPES, ROWS, strict=True):
        draw = np.random.default_rng(rows)
        x = draw.normal(size=(rows, columns))
        estimator = clone(made)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(x, targets(kind, x))
            source = make_source(ModelRequest(model=estimator, example_inputs=x))
            others = draw.normal(size=(count, columns)).astype(np.float32)
            wanted = answer(estimator, others.astype(np.float64))
        with torch.no_grad():
            found = source.model(torch.from_numpy(others)).double().numpy()
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("name", ["hard votes", "a stack", "a process of two classes", "a forest"])
def test_a_program_of_them_runs_on_another_batch(name):
    made, kind = CASES[name]
    x = np.random.default_rng(0).normal(size=(60, 3))
    estimator = clone(made).fit(x, targets(kind, x))
    program = hermesc.compile(estimator, x)
    chip = program.deploy(hermesc.simulate(), method="ideal").configure(ideal=True)
    found = chip(x[:11].astype(np.float32)).double().numpy()
    np.testing.assert_allclose(found, answer(estimator, x[:11]), atol=1e-4)
    assert bool(program.artifact.mvms) == (name != "a forest")


def test_hard_votes_have_an_accuracy():
    x = np.random.default_rng(0).normal(size=(60, 3))
    labels = targets(NAMES, x)
    model = VotingClassifier(several(SVC(), GaussianNB())).fit(x, labels)
    chip = hermesc.compile(model, x, labels=labels).deploy(hermesc.simulate(), method="ideal")
    accuracy = chip.configure(ideal=True).report().accuracy
    assert accuracy == pytest.approx(model.score(x, labels))


TEXTS = ["the cat sat", "a dog ran", "the dog sat", "cats ran far", "no dog"] * 4
HOST = {
    "texts": (make_pipeline(CountVectorizer(), TfidfTransformer(), LogisticRegression()), TEXTS),
    "names": (
        make_pipeline(FeatureHasher(16), StandardScaler(with_mean=False), RidgeClassifier()),
        [{"a": i % 3, "b": i * 0.1} for i in range(20)],
    ),
    "dictionaries": (
        make_pipeline(DictVectorizer(), RidgeClassifier()),
        [{"a": f"v{i % 3}"} for i in range(20)],
    ),
    "a frame": (
        make_pipeline(
            ColumnTransformer([("o", OneHotEncoder(), ["c"]), ("s", StandardScaler(), ["v"])]),
            LogisticRegression(),
        ),
        pd.DataFrame({"c": ["r", "g"] * 10, "v": np.arange(20.0)}),
    ),
}


@pytest.mark.parametrize("name", HOST)
def test_steps_that_take_no_numbers_are_done_before_the_program(name):
    pipeline, rows = HOST[name]
    labels = np.array([0, 1, 1, 0, 1] * 4)
    model = clone(pipeline).fit(rows, labels)
    program = hermesc.compile(model, rows, labels=labels, calibration=rows)
    assert "scikit-learn does" in program.artifact.manifest.notes[0]
    chip = program.deploy(hermesc.simulate(), method="ideal").configure(ideal=True)
    assert chip.report().accuracy == pytest.approx(model.score(rows, labels))


@pytest.mark.parametrize(
    ("model", "kind", "message"),
    [
        (SplineTransformer(degree=1, extrapolation="linear"), NONE, "use degree=2 or more"),
        (SplineTransformer(degree=0), NONE, "its splines are steps"),
        (
            back(Ridge(), func=np.log, inverse_func=lambda y: np.exp(y)),
            POSITIVE,
            "<lambda> is code",
        ),
        (
            CalibratedClassifierCV(LinearSVC(), method="temperature", cv=3),
            CLASSES,
            "its method is temperature",
        ),
        (
            GradientBoostingRegressor(init=Ridge(), n_estimators=2),
            NUMBER,
            "its init is an estimator",
        ),
        (
            GaussianProcessClassifier(RBF(), optimizer=None, multi_class="one_vs_one"),
            CLASSES,
            "fit with multi_class='one_vs_rest'",
        ),
    ],
)
def test_what_has_no_torch_form_says_why(model, kind, message):
    x = np.random.default_rng(0).normal(size=(60, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, targets(kind, x))
    with pytest.raises(UnsupportedOpError, match=message):
        hermesc.compile(model, x)
