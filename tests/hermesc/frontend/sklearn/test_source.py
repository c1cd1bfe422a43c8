"""Fitted scikit-learn estimators compute in torch what scikit-learn computes."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, FastICA, IncrementalPCA, KernelPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    RationalQuadratic,
    WhiteKernel,
)
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.kernel_approximation import (
    AdditiveChi2Sampler,
    Nystroem,
    PolynomialCountSketch,
    RBFSampler,
    SkewedChi2Sampler,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, OneClassSVM

import hermesc
from hermesc.frontend.load import make_source
from hermesc.frontend.request import ModelRequest
from hermesc.frontend.sklearn.compose import output_method
from hermesrt.artifact import io
from hermesrt.errors import ArtifactError, InputError, ModelError, UnsupportedOpError

X, Y = load_iris(return_X_y=True)
TWO = (Y > 0).astype(int)
VALUES = X[:, 0] * X[:, 1] - X[:, 2]
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]


def seeded(kind, **settings):
    return kind(random_state=0, **settings)


def scaled(*steps):
    return make_pipeline(StandardScaler(), *steps)


# name: estimator, targets, and how many products with a fixed matrix it must become
CASES = {
    "RBFSampler, RidgeClassifier": (scaled(seeded(RBFSampler), RidgeClassifier()), Y, 2),
    "one column": (scaled(seeded(RBFSampler), RidgeClassifier()), TWO, 2),
    "Nystroem rbf": (scaled(seeded(Nystroem, n_components=20), LogisticRegression()), Y, 3),
    "Nystroem poly": (
        scaled(seeded(Nystroem, kernel="poly", degree=2, n_components=30), LinearSVC()),
        Y,
        3,
    ),
    "Nystroem linear": (
        scaled(seeded(Nystroem, kernel="linear", n_components=10), LinearSVC()),
        Y,
        3,
    ),
    "Nystroem sigmoid": (
        scaled(seeded(Nystroem, kernel="sigmoid", gamma=0.01, n_components=9), LinearSVC()),
        Y,
        3,
    ),
    "Nystroem cosine": (
        make_pipeline(seeded(Nystroem, kernel="cosine", n_components=20), LinearSVC()),
        Y,
        3,
    ),
    "Nystroem laplacian": (
        scaled(seeded(Nystroem, kernel="laplacian", n_components=20), LinearSVC()),
        Y,
        2,
    ),
    "PolynomialCountSketch": (
        scaled(seeded(PolynomialCountSketch, degree=3, coef0=1, n_components=40), LinearSVC()),
        Y,
        2,
    ),
    "PolynomialCountSketch, odd": (
        scaled(seeded(PolynomialCountSketch, gamma=0.5, n_components=31), seeded(SGDClassifier)),
        Y,
        2,
    ),
    "SkewedChi2Sampler": (make_pipeline(seeded(SkewedChi2Sampler), LogisticRegression()), Y, 2),
    "AdditiveChi2Sampler": (
        make_pipeline(MaxAbsScaler(), AdditiveChi2Sampler(sample_steps=3), LogisticRegression()),
        Y,
        1,
    ),
    "PolynomialFeatures": (
        make_pipeline(RobustScaler(), PolynomialFeatures(3), LogisticRegression(max_iter=1000)),
        Y,
        1,
    ),
    "interactions": (
        scaled(PolynomialFeatures(interaction_only=True, include_bias=False), Perceptron()),
        Y,
        1,
    ),
    "MinMaxScaler, clipped": (
        make_pipeline(MinMaxScaler((-1, 1), clip=True), seeded(RBFSampler), Perceptron()),
        Y,
        2,
    ),
    "Normalizer l1": (make_pipeline(Normalizer("l1"), LinearSVC()), Y, 1),
    "Normalizer max": (make_pipeline(Normalizer("max"), LinearSVC()), Y, 1),
    "whitened PCA": (make_pipeline(PCA(2, whiten=True), LogisticRegression()), Y, 2),
    "IncrementalPCA": (make_pipeline(IncrementalPCA(2), LogisticRegression()), Y, 2),
    "TruncatedSVD": (make_pipeline(seeded(TruncatedSVD), RidgeClassifierCV()), Y, 2),
    "FastICA": (make_pipeline(seeded(FastICA, n_components=3), LogisticRegression()), Y, 2),
    "KernelPCA": (
        make_pipeline(KernelPCA(3, kernel="rbf", gamma=0.1), LogisticRegression()),
        Y,
        3,
    ),
    "random projections": (
        make_pipeline(
            seeded(GaussianRandomProjection, n_components=3),
            seeded(SparseRandomProjection, n_components=3),
            LogisticRegression(),
        ),
        Y,
        3,
    ),
    "discriminants": (
        make_pipeline(LinearDiscriminantAnalysis(n_components=1), LinearDiscriminantAnalysis()),
        Y,
        2,
    ),
    "selected columns": (
        make_pipeline(VarianceThreshold(0.3), SelectKBest(k=2), LinearSVC()),
        Y,
        1,
    ),
    "imputed, Yeo-Johnson": (make_pipeline(SimpleImputer(), PowerTransformer(), LinearSVC()), Y, 1),
    "Box-Cox": (
        make_pipeline(PowerTransformer("box-cox", standardize=False), LogisticRegression()),
        Y,
        1,
    ),
    "Binarizer": (make_pipeline(Binarizer(threshold=3.0), LinearSVC()), Y, 1),
    "functions": (
        make_pipeline(FunctionTransformer(np.log1p), None, FunctionTransformer(), LinearSVC()),
        Y,
        1,
    ),
    "passthrough": (Pipeline([("a", "passthrough"), ("b.c", LinearSVC())]), Y, 1),
    "a union": (
        make_pipeline(
            FeatureUnion(
                [("a", PCA(2)), ("b", seeded(RBFSampler)), ("c", "passthrough"), ("d", "drop")],
                transformer_weights={"a": 2.0},
            ),
            LogisticRegression(),
        ),
        Y,
        3,
    ),
    "columns": (
        make_pipeline(
            ColumnTransformer(
                [
                    ("a", PCA(1), [-1, 0]),
                    ("b", "drop", slice(1, 2)),
                    ("c", MinMaxScaler(), np.array([False, False, True, False])),
                ],
                remainder="passthrough",
            ),
            LogisticRegression(),
        ),
        Y,
        2,
    ),
    "one against the rest": (
        OneVsRestClassifier(make_pipeline(seeded(RBFSampler), LogisticRegression())),
        Y,
        6,
    ),
    "a grid search": (
        GridSearchCV(scaled(LogisticRegression()), {"logisticregression__C": [1, 2]}),
        Y,
        1,
    ),
    "SVC rbf": (scaled(SVC()), Y, 2),
    "SVC poly, two classes": (scaled(SVC(kernel="poly", coef0=1.0)), TWO, 2),
    "SVC linear": (SVC(kernel="linear"), Y, 2),
    "NuSVC": (NuSVC(nu=0.2, kernel="sigmoid"), TWO, 2),
    "OneClassSVM": (OneClassSVM(), None, 2),
    "perceptrons": (scaled(seeded(MLPClassifier, hidden_layer_sizes=(9, 8), max_iter=50)), Y, 3),
    "perceptrons, two classes": (scaled(seeded(MLPClassifier, max_iter=50)), TWO, 2),
    "several labels a row": (RidgeClassifier(), np.stack([Y > 0, Y > 1], 1).astype(int), 1),
    "features": (scaled(seeded(RBFSampler)), None, 1),
    "union of features": (make_union(PCA(2), seeded(RBFSampler)), None, 2),
    "LinearRegression": (LinearRegression(), VALUES, 1),
    "two targets": (LinearRegression(), np.stack([VALUES, -VALUES], 1), 1),
    "Ridge": (scaled(seeded(RBFSampler), Ridge()), VALUES, 2),
    "Lasso": (Lasso(alpha=0.01), VALUES, 1),
    "ElasticNet": (ElasticNet(alpha=0.01), VALUES, 1),
    "BayesianRidge": (BayesianRidge(), VALUES, 1),
    "SGDRegressor": (scaled(seeded(SGDRegressor)), VALUES, 1),
    "LinearSVR": (scaled(seeded(RBFSampler), LinearSVR()), VALUES, 2),
    "SVR": (SVR(), VALUES, 2),
    "KernelRidge": (KernelRidge(kernel="rbf", alpha=1.0), VALUES, 2),
    "KernelRidge poly": (KernelRidge(kernel="poly", degree=2), np.stack([VALUES, VALUES], 1), 2),
    "perceptron regression": (
        scaled(seeded(MLPRegressor, hidden_layer_sizes=(9,), max_iter=50)),
        VALUES,
        2,
    ),
    "Gaussian process": (
        GaussianProcessRegressor(
            ConstantKernel() * RBF([1.0, 2.0, 1.0, 1.0]) + WhiteKernel(),
            normalize_y=True,
            optimizer=None,
        ),
        VALUES,
        2,
    ),
    "Gaussian process, other kernels": (
        GaussianProcessRegressor(
            Matern(nu=1.5) + Matern(nu=2.5) * DotProduct() ** 2 + RationalQuadratic(),
            alpha=1.0,
            optimizer=None,
        ),
        np.stack([VALUES, -VALUES], 1),
        5,
    ),
}


@pytest.fixture(scope="module")
def made():
    """The case of that name: fitted estimator and its Source, each made once."""
    kept = {}

    def get(name):
        if name not in kept:
            estimator, y, _ = CASES[name]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                estimator.fit(X, y)
            kept[name] = estimator, make_source(ModelRequest(model=estimator, example_inputs=X))
        return kept[name]

    return get


@pytest.mark.parametrize("name", CASES)
def test_module_equals_scikit_learn_to_round_off(name, made):
    estimator, source = made(name)
    rows = np.random.default_rng(0).permutation(X)[:50] * 1.01
    wanted = getattr(estimator, output_method(estimator))(rows)
    with torch.no_grad():
        found = source.model(torch.from_numpy(rows).float()).double().numpy()
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.parametrize("name", CASES)
def test_products_go_to_crossbars(name, made, front):
    _, source = made(name)
    assert len(front(source.model, source.example_inputs).graph.mvms) == CASES[name][2]


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("RBFSampler, RidgeClassifier", (0, 1, 2)),
        ("one column", (0, 1)),
        ("SVC rbf", (0, 1, 2)),
        ("perceptrons, two classes", (0, 1)),
        ("several labels a row", ()),
        ("features", ()),
        ("Ridge", ()),
    ],
)
def test_classes_are_those_of_the_columns(name, classes, made):
    assert made(name)[1].classes == classes


@pytest.mark.parametrize("labels", [NAMES, Y * 3 - 5, Y * 2.0])
def test_accuracy_is_scikit_learns_for_any_labels(labels):
    model = scaled(seeded(RBFSampler), RidgeClassifier()).fit(X, labels)
    program = hermesc.compile(model, X, labels=labels)
    chip = program.deploy(hermesc.simulate(), method="ideal").configure(ideal=True)
    assert chip.report().accuracy == pytest.approx(model.score(X, labels))
    assert chip.report(X, labels=labels).accuracy == pytest.approx(model.score(X, labels))


def test_accuracy_of_two_classes_has_its_threshold_at_zero():
    labels = np.array(["no", "yes"])[TWO]
    model = scaled(seeded(RBFSampler), LogisticRegression()).fit(X, labels)
    chip = hermesc.compile(model, X, labels=labels).deploy(hermesc.simulate(), method="ideal")
    assert chip.configure(ideal=True).report().accuracy == pytest.approx(model.score(X, labels))


def test_labels_that_were_not_learnt_are_refused():
    model = scaled(LinearSVC()).fit(X, NAMES)
    with pytest.raises(ModelError, match=r"hold lily, .*classes are setosa, versicolor, virgin"):
        hermesc.compile(model, X, labels=["lily"] * len(X))
    chip = hermesc.compile(model, X).deploy(hermesc.simulate())
    with pytest.raises(InputError, match="has not learnt"):
        chip.report(X, labels=np.array(["lily"] * len(X)))
    with pytest.raises(InputError, match="must be names, such as setosa, not int64"):
        chip.report(X, labels=Y)


def test_labels_of_a_regression_are_refused():
    with pytest.raises(ModelError, match="gives no class for each row"):
        hermesc.compile(Ridge().fit(X, VALUES), X, labels=Y)


def test_all_steps_without_a_torch_form_are_listed_at_once():
    model = make_pipeline(
        FunctionTransformer(lambda x: x + 1),
        make_union(KNNImputer(), PCA(1)),
        Nystroem(kernel=lambda a, b: a.sum() * b.sum(), n_components=5),
        KNeighborsClassifier(2),
    ).fit(X, Y)
    with pytest.raises(UnsupportedOpError) as caught:
        hermesc.compile(model, X)
    text = str(caught.value)
    assert text.startswith("4 steps of the model can run neither on the chip nor on the host:")
    assert "  functiontransformer: FunctionTransformer: <lambda> is code" in text
    assert "  featureunion.knnimputer: KNNImputer: KNNImputer.transform has" in text
    assert (
        "  nystroem: Nystroem: its kernel is a function of your own; known are linear, rbf" in text
    )
    assert "  kneighborsclassifier: KNeighborsClassifier: KNeighborsClassifier.predict_" in text


def test_a_subclass_that_computes_something_else_is_refused():
    class Shifted(StandardScaler):
        def transform(self, X, copy=None):
            return super().transform(X, copy) + 1

    with pytest.raises(UnsupportedOpError, match=r"Shifted\.transform has no torch form"):
        hermesc.compile(make_pipeline(Shifted(), LinearSVC()).fit(X, Y), X)


def test_a_subclass_that_computes_the_same_is_taken():
    class Named(StandardScaler):
        pass

    assert hermesc.compile(make_pipeline(Named(), LinearSVC()).fit(X, Y), X).artifact.mvms


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (KNeighborsClassifier().fit(X, Y), r"KNeighborsClassifier\.predict_proba has no torch"),
        (SVC(decision_function_shape="ovo").fit(X, Y), "fit with 'ovr'"),
        (
            GaussianProcessRegressor(ExpSineSquared(), optimizer=None, alpha=99).fit(X, VALUES),
            "its kernel holds ExpSineSquared; known are sums",
        ),
        (
            GaussianProcessRegressor(Matern(nu=1.2), optimizer=None, alpha=1).fit(X, VALUES),
            "nu=1.2; known are 0.5",
        ),
        (
            ColumnTransformer(
                [("a", FunctionTransformer(np.expand_dims, kw_args={"axis": 1}), 0)]
            ).fit(X),
            r"takes one column as a vector; give it \[0\]",
        ),
    ],
)
def test_what_has_no_torch_form_says_why(model, message):
    with pytest.raises(UnsupportedOpError, match=message):
        hermesc.compile(model, X)


@pytest.mark.parametrize(
    "model", [StandardScaler(), scaled(LinearSVC()), scaled(seeded(RBFSampler))], ids=str
)
def test_what_was_not_fitted_is_refused(model):
    with pytest.raises(UnsupportedOpError, match=r"it is not fitted; call fit\(X, y\) first"):
        hermesc.compile(model, X)


FITTED = scaled(LinearSVC()).fit(X, Y)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (scipy.sparse.csr_array(X), r"is a sparse matrix; a crossbar's input is dense: X.toarray"),
        (X[:, :3], "has 3 columns; it was fitted on 4 features"),
        (X[0], r"has the shape \(4,\); give rows by features"),
        (X[:0], r"has the shape \(0, 4\); give rows by features"),
        (X.astype(str), "not numbers; encode them before"),
        (np.where(X > 5, np.nan, X), "own decision_function fails on its example_inputs.*NaN"),
        (None, "`example_inputs` is missing; give some rows of real data"),
        ([[1.0, 2.0], [3.0]], "`example_inputs` is no table of numbers"),
    ],
)
def test_bad_inputs_are_refused(inputs, message):
    with pytest.raises(ModelError, match=message):
        hermesc.compile(FITTED, inputs)


def test_data_frames_are_taken_by_their_columns():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = make_pipeline(
        ColumnTransformer([("x", StandardScaler(), ["d", "a"]), ("y", MinMaxScaler(), ["b"])]),
        LinearSVC(),
    ).fit(frame, Y)
    source = make_source(ModelRequest(model=model, example_inputs=frame[["d", "c", "b", "a"]]))
    np.testing.assert_array_equal(source.example_inputs[0], X.astype(np.float32))


def test_columns_of_strings_are_named():
    frame = pd.DataFrame({"a": X[:, 0], "colour": ["red"] * len(X)})
    numbers = ColumnTransformer([("a", StandardScaler(), ["a"])]).fit(frame)
    with pytest.raises(ModelError, match="the columns colour do not hold numbers"):
        hermesc.compile(numbers, frame)


def test_a_model_file_may_hold_a_pipeline_and_arrays(model_file):
    path = model_file(
        "from sklearn.datasets import load_iris\n"
        "from sklearn.linear_model import RidgeClassifier\n"
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.kernel_approximation import RBFSampler\n"
        "X, labels = load_iris(return_X_y=True)\n"
        "model = make_pipeline(RBFSampler(random_state=0), RidgeClassifier()).fit(X, labels)\n"
        "example_inputs = X[::3]\n"
        "labels = labels[::3]\n"
        "calibration_inputs = X\n"
    )
    artifact = hermesc.compile(path).artifact
    assert [m.label for m in artifact.manifest.matrices] == [
        "rbfsampler.random_weights_",
        "ridgeclassifier.coef_",
    ]
    assert [str(step.location) for step in artifact.mvms] == ["rbfsampler", "ridgeclassifier"]
    assert artifact.manifest.calibration_rows == len(X)
    assert artifact.labels.tolist() == Y[::3].tolist()


def test_ill_conditioned_coefficients_are_noted():
    model = KernelRidge(kernel="rbf", alpha=1e-9).fit(X, VALUES)
    notes = hermesc.compile(model, X).artifact.manifest.notes
    assert any("in FP32 the outputs differ from scikit-learn's FP64" in note for note in notes)


def test_a_program_keeps_its_classes_and_refuses_labels_that_are_none():
    model = scaled(LinearSVC()).fit(X, NAMES)
    artifact = hermesc.compile(model, X, labels=NAMES).artifact
    again = io.from_bytes(io.to_bytes(artifact), "p.hermes")
    assert again.manifest.classes == ("setosa", "versicolor", "virginica")
    for wrong in (Y + 1, Y - 1, Y.astype(np.float32)):
        data = io.to_bytes(dataclasses.replace(artifact, labels=wrong))
        with pytest.raises(ArtifactError, match="labels are not places in its classes"):
            io.from_bytes(data, "p.hermes")
