"""Which types a skops file may hold, by scikit-learn version.

skops trusts estimators by itself. The lists are what else it found in every estimator of scikit-learn 1.5 to 1.9 (dumped
with skops 0.11 and 0.16), all first-party. It mistrusts trees because their indices are followed without a check of
bounds: we trust the types and check the indices (`_trees`). KDTree and BallTree are left out, being not checked.
"""

from __future__ import annotations

_ALWAYS = frozenset(
    f"sklearn.{name}"
    for name in (
        "_loss.link.HalfLogitLink",
        "_loss.link.IdentityLink",
        "_loss.link.Interval",
        "_loss.link.LogLink",
        "_loss.link.LogitLink",
        "_loss.link.MultinomialLogit",
        "_loss.loss.AbsoluteError",
        "_loss.loss.ExponentialLoss",
        "_loss.loss.HalfBinomialLoss",
        "_loss.loss.HalfGammaLoss",
        "_loss.loss.HalfMultinomialLoss",
        "_loss.loss.HalfPoissonLoss",
        "_loss.loss.HalfSquaredError",
        "_loss.loss.HalfTweedieLoss",
        "_loss.loss.HalfTweedieLossIdentity",
        "_loss.loss.HuberLoss",
        "_loss.loss.PinballLoss",
        "calibration._CalibratedClassifier",
        "calibration._SigmoidCalibration",
        "cluster._bisect_k_means._BisectingTree",
        "cluster._kmeans._kmeans_single_lloyd",
        "ensemble._hist_gradient_boosting.binning._BinMapper",
        "ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "feature_selection._mutual_info.mutual_info_classif",
        "feature_selection._mutual_info.mutual_info_regression",
        "feature_selection._univariate_selection.chi2",
        "feature_selection._univariate_selection.f_classif",
        "feature_selection._univariate_selection.f_regression",
        "gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "gaussian_process.kernels.ConstantKernel",
        "gaussian_process.kernels.Matern",
        "gaussian_process.kernels.Product",
        "gaussian_process.kernels.RBF",
        "gaussian_process.kernels.Sum",
        "gaussian_process.kernels.WhiteKernel",
        "metrics._classification.accuracy_score",
        "metrics._classification.balanced_accuracy_score",
        "metrics._classification.brier_score_loss",
        "metrics._classification.f1_score",
        "metrics._classification.log_loss",
        "metrics._classification.precision_score",
        "metrics._classification.recall_score",
        "metrics._dist_metrics.EuclideanDistance64",
        "metrics._ranking.average_precision_score",
        "metrics._ranking.roc_auc_score",
        "metrics._regression.mean_absolute_error",
        "metrics._regression.mean_squared_error",
        "metrics._regression.median_absolute_error",
        "metrics._regression.r2_score",
        "metrics._regression.root_mean_squared_error",
        "metrics._scorer._PassthroughScorer",
        "metrics._scorer._Scorer",
        "model_selection._search_successive_halving.HalvingGridSearchCV",
        "model_selection._search_successive_halving.HalvingRandomSearchCV",
        "model_selection._split.GroupKFold",
        "model_selection._split.KFold",
        "model_selection._split.StratifiedKFold",
        "model_selection._split.TimeSeriesSplit",
        "multiclass._ConstantPredictor",
        "neural_network._stochastic_optimizers.AdamOptimizer",
        "neural_network._stochastic_optimizers.SGDOptimizer",
        "tree._tree.Tree",
        "utils._bunch.Bunch",
        "utils._metadata_requests.MetadataRequest",
        "utils._metadata_requests.MethodMetadataRequest",
        "utils.validation.check_array",
    )
) | {
    "functools.partial",  # skops audits the function inside it
    "numpy.dtype",
    "numpy.mean",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
    "scipy.sparse._csr.csr_array",
    "scipy.sparse._csr.csr_matrix",
}
_SINCE = {  # minor version from which scikit-learn has the name, and what it was called before
    (1, 5): frozenset({"sklearn.model_selection._classification_threshold._CurveScorer"}),
    (1, 6): frozenset({"sklearn.metrics._scorer._CurveScorer"}),
}


def trusted_types(version: str) -> frozenset[str]:
    """The types that scikit-learn `version` may find in a file, beside those that skops trusts.

    >>> "sklearn.metrics._scorer._CurveScorer" in trusted_types("1.5.2")
    False
    """
    minor = tuple(int(part) for part in version.split(".")[:2])
    return _ALWAYS.union(*(names for since, names in _SINCE.items() if since <= minor))
