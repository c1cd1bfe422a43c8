"""Class probabilities from decision values, and classifiers that are likelihoods."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from torch import Tensor, nn

from hermesc.frontend.sklearn.head import linear_classifier
from hermesc.frontend.sklearn.step import EstimatorStep, RefusedStep, chain
from hermesc.frontend.sklearn.trees import binned_boosting, boosted


def both(positive: Tensor) -> Tensor:
    """Probabilities of two classes from that of the second."""
    return torch.stack([1 - positive, positive], 1)


def probabilities(decisions: Tensor) -> Tensor:
    """Of two classes by the logistic function of one value, else by softmax."""
    return both(torch.sigmoid(decisions)) if decisions.dim() == 1 else decisions.softmax(1)


def softmax_of(make: Callable[[Any], nn.Module]) -> Callable[[Any], nn.Module]:
    """The probabilities of a classifier whose decision values that makes."""

    def module(e: Any) -> nn.Module:
        last = EstimatorStep(lambda _, y: probabilities(y))
        return chain([("decision", make(e)), ("probabilities", last)])

    return module


class Quadratic(nn.Module):
    """A Gaussian likelihood for each class, with its own axes."""

    def __init__(self, e: Any) -> None:
        super().__init__()
        axes = zip(e.rotations_, e.scalings_, strict=True)
        parts = [_axes(m, r * s**-0.5) for m, (r, s) in zip(e.means_, axes, strict=True)]
        self.classes = nn.ModuleList(parts)
        volumes = np.array([np.log(s).sum() for s in e.scalings_])
        self.offset: Tensor
        self.register_buffer("offset", torch.from_numpy(np.log(e.priors_) - 0.5 * volumes))

    def forward(self, x: Tensor) -> Tensor:
        """Decision values; of two classes their difference."""
        squares = [part(x).square().sum(1) for part in self.classes]
        scores = self.offset - 0.5 * torch.stack(squares, 1)
        return scores[:, 1] - scores[:, 0] if len(squares) == 2 else scores


def _axes(mean: Any, axes: Any) -> EstimatorStep:
    return EstimatorStep(lambda m, x: F.linear(x - m.mean, m.axes), mean=mean, axes=axes.T)


def gaussian_bayes(e: Any) -> EstimatorStep:
    """Softmax of Gaussian log-likelihoods, column by column: no product."""

    def forward(m: Any, x: Tensor) -> Tensor:
        squares = (x.unsqueeze(1) - m.theta_).square() / m.var_
        scores: Tensor = m.offset - 0.5 * squares.sum(2)
        return scores.softmax(1)

    offset = np.log(e.class_prior_) - 0.5 * np.log(2 * np.pi * e.var_).sum(1)
    return EstimatorStep(forward, theta_=e.theta_, var_=e.var_, offset=offset)


def bayes(e: Any) -> EstimatorStep:
    """Naive Bayes, which has one method for all its kinds."""
    kinds = {GaussianNB: gaussian_bayes, MultinomialNB: counting_bayes, BernoulliNB: counting_bayes}
    if type(e) not in kinds:
        raise RefusedStep(f"{type(e).__name__} is not known; known are {_names(kinds)}")
    return kinds[type(e)](e)


def _names(kinds: Any) -> str:
    return ", ".join(kind.__name__ for kind in kinds)


def counting_bayes(e: Any) -> EstimatorStep:
    """Softmax of log-likelihoods that are a product with the rows."""
    weights, offset = e.feature_log_prob_, e.class_log_prior_
    threshold = getattr(e, "binarize", None)
    if isinstance(e, BernoulliNB):
        absent = np.log1p(-np.exp(weights))
        weights, offset = weights - absent, offset + absent.sum(1)

    def forward(m: Any, x: Tensor) -> Tensor:
        x = x if threshold is None else (x > threshold).to(x.dtype)
        return F.linear(x, m.feature_log_prob_, m.offset).softmax(1)

    return EstimatorStep(forward, feature_log_prob_=weights, offset=offset)


def logistic(e: Any) -> nn.Module:
    """The probabilities of a logistic regression."""
    if e.coef_.shape[0] > 1 and e.solver == "liblinear":
        raise RefusedStep("its solver is liblinear, one class against the rest; use another")
    return softmax_of(linear_classifier)(e)


LIKELIHOOD_DECISIONS = {QuadraticDiscriminantAnalysis.decision_function: Quadratic}
LIKELIHOODS = {
    LogisticRegression.predict_proba: logistic,
    LogisticRegressionCV.predict_proba: logistic,
    LinearDiscriminantAnalysis.predict_proba: softmax_of(linear_classifier),
    QuadraticDiscriminantAnalysis.predict_proba: softmax_of(Quadratic),
    GaussianNB.predict_proba: bayes,
    GradientBoostingClassifier.predict_proba: softmax_of(boosted),
    HistGradientBoostingClassifier.predict_proba: softmax_of(binned_boosting),
}
