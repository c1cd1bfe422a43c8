"""scikit-learn transformers whose features are computed on the simulated chip.

    make_pipeline(StandardScaler(), AnalogRBFSampler(gamma=0.1, random_state=0), RidgeClassifier())

`fit` draws the features as scikit-learn does, compiles them with the training rows as calibration,
and programs a chip; `transform` runs the rows through it. Whatever is trained after that has seen
the chip's own noise.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.kernel_approximation import Nystroem, RBFSampler
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "hermesc.sklearn needs scikit-learn 1.6 or newer: pip install 'hermesc[sklearn]'"
    ) from missing

from hermesc.api import compile, simulate
from hermesrt.chip.spec import Mode
from hermesrt.units import parse_age

_FLOATS = (np.float64, np.float32)


class _OnChip(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A sampler of scikit-learn's, run on a chip; subclasses say which."""

    chip: Any
    age: str | float
    mode: Mode
    random_state: Any

    def _sampler(self, random_state: np.random.RandomState) -> Any:
        raise NotImplementedError

    def fit(self, X: Any, y: Any = None) -> "_OnChip":
        """Draw the features, compile them, and program a chip.

        `random_state` seeds the draw, as in scikit-learn, and then the chip's devices. X are
        training rows, [rows, features]; their largest values set the converters' ranges.
        Raises: ValueError for bad data; InputError, CapacityError for what the chip cannot hold.
        """
        del y
        X = validate_data(self, X, dtype=_FLOATS)
        age_s = parse_age(self.age) if isinstance(self.age, str) else float(self.age)
        draw = check_random_state(self.random_state)
        self.sampler_ = self._sampler(draw).fit(X)
        seed = int(draw.randint(2**31 - 1))
        self.program_ = compile(self.sampler_, X, chip=self.chip, name=type(self).__name__)
        device = simulate(self.chip, seed)
        self.chip_ = self.program_.deploy(device).configure(age_s=age_s, mode=self.mode)
        self._n_features_out = self.transform(X[:1]).shape[1]
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """The noisy features of some rows, [rows, components].

        Each row of a call has read noise of its own; the same call gives the same features.
        Raises: NotFittedError; ValueError for bad data.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        features = self.chip_.rewind()(X.astype(np.float32))
        return np.asarray(features.numpy().astype(X.dtype))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.non_deterministic = True  # a row's noise depends on its place in the call
        return tags


class AnalogRBFSampler(_OnChip):
    """RBFSampler on the chip: random Fourier features of k(x, y) = exp(-gamma |x - y|^2).

    gamma is a number or "scale"; chip a name or a TOML file's path; age the time since programming,
    in seconds or as "1h"; mode a read mode of the chip. Fitted: `sampler_` (scikit-learn's own, for
    the exact features), `program_`, `chip_`.
    """

    def __init__(
        self,
        *,
        gamma: float | str = 1.0,
        n_components: int = 100,
        chip: Any = "hermes",
        age: str | float = "0s",
        mode: Mode = "4-phase",
        random_state: Any = None,
    ) -> None:
        self.gamma = gamma
        self.n_components = n_components
        self.chip = chip
        self.age = age
        self.mode = mode
        self.random_state = random_state

    def _sampler(self, random_state: np.random.RandomState) -> Any:
        return RBFSampler(
            gamma=self.gamma, n_components=self.n_components, random_state=random_state
        )


class AnalogNystroem(_OnChip):
    """Nystroem on the chip: a kernel with some training rows, whitened; both products are analog.

    kernel is one of rbf, linear, poly, sigmoid, cosine, laplacian; the parameters are those of
    scikit-learn's Nystroem, the others those of AnalogRBFSampler.
    """

    def __init__(
        self,
        kernel: str = "rbf",
        *,
        gamma: float | None = None,
        coef0: float | None = None,
        degree: float | None = None,
        n_components: int = 100,
        chip: Any = "hermes",
        age: str | float = "0s",
        mode: Mode = "4-phase",
        random_state: Any = None,
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.coef0 = coef0
        self.degree = degree
        self.n_components = n_components
        self.chip = chip
        self.age = age
        self.mode = mode
        self.random_state = random_state

    def _sampler(self, random_state: np.random.RandomState) -> Any:
        return Nystroem(
            kernel=self.kernel,
            gamma=self.gamma,
            coef0=self.coef0,
            degree=self.degree,
            n_components=self.n_components,
            random_state=random_state,
        )
