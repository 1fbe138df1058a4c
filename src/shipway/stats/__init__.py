"""Statistics as part of the product: intervals that know about days, calibration, distances between histograms.

Pure: numpy and the standard library, no I/O, no clock, no randomness but a bootstrap's, from its seed. Every estimate that
a gate or a monitor judges is an `Interval` made here.
"""

from shipway.stats._agreement import cohen_kappa
from shipway.stats._arms import ArmsDifference, arms_difference
from shipway.stats._auc import (
    auc_contrast,
    auc_difference,
    auc_interval,
    auc_interval_binned,
    auc_row_variance,
    binned_auc,
    roc_auc,
)
from shipway.stats._calibration import (
    CalibrationTable,
    base_rate_interval,
    calibration_error,
    calibration_error_binned,
    calibration_table,
)
from shipway.stats._calibration_interval import calibration_interval
from shipway.stats._class_confidence import ClassConfidence, expected_of_classes, fit_class_confidence
from shipway.stats._confidence_based import (
    ASSUMPTION,
    Bounds,
    Confidence,
    Performance,
    expected_performance,
    fit_confidence,
)
from shipway.stats._direct_loss import LOSS_ASSUMPTION, DirectLoss, Learner, Losses, fit_direct_loss, realised_losses
from shipway.stats._discoveries import benjamini_hochberg
from shipway.stats._distances import jensen_shannon, ks_binned, psi, psi_filled, wasserstein_binned
from shipway.stats._interval import NEVER, Interval, rows_still_needed, t_interval, wilson
from shipway.stats._isotonic import Calibration, fit_isotonic, pooled, worth_calibrating
from shipway.stats._log_bins import LOG_BINS, LOG_ERROR, log_places, log_quantile
from shipway.stats._means import mean_interval, ratio_interval
from shipway.stats._paired import holm, mcnemar_exact, paired_interval
from shipway.stats._prediction_powered import prediction_powered_mean
from shipway.stats._probability_scores import brier_interval, brier_score, brier_skill_interval, log_loss, log_loss_interval
from shipway.stats._proportions import clopper_pearson, items_needed, share_interval
from shipway.stats._quantiles import normal_quantile, t_quantile
from shipway.stats._samples import chi_square_tail, chi_square_test, ks_statistic, ks_test, share_test, wasserstein
from shipway.stats._shares_noise import DriftChance, drift_chance

__all__ = [
    "ASSUMPTION",
    "LOG_BINS",
    "LOG_ERROR",
    "LOSS_ASSUMPTION",
    "NEVER",
    "ArmsDifference",
    "Bounds",
    "Calibration",
    "CalibrationTable",
    "ClassConfidence",
    "Confidence",
    "DirectLoss",
    "DriftChance",
    "Interval",
    "Learner",
    "Losses",
    "Performance",
    "arms_difference",
    "auc_contrast",
    "auc_difference",
    "auc_interval",
    "auc_interval_binned",
    "auc_row_variance",
    "base_rate_interval",
    "benjamini_hochberg",
    "binned_auc",
    "brier_interval",
    "brier_score",
    "brier_skill_interval",
    "calibration_error",
    "calibration_error_binned",
    "calibration_interval",
    "calibration_table",
    "chi_square_tail",
    "chi_square_test",
    "clopper_pearson",
    "cohen_kappa",
    "drift_chance",
    "expected_of_classes",
    "expected_performance",
    "fit_class_confidence",
    "fit_confidence",
    "fit_direct_loss",
    "fit_isotonic",
    "holm",
    "items_needed",
    "jensen_shannon",
    "ks_binned",
    "ks_statistic",
    "ks_test",
    "log_loss",
    "log_loss_interval",
    "log_places",
    "log_quantile",
    "mcnemar_exact",
    "mean_interval",
    "normal_quantile",
    "paired_interval",
    "pooled",
    "prediction_powered_mean",
    "psi",
    "psi_filled",
    "ratio_interval",
    "realised_losses",
    "roc_auc",
    "rows_still_needed",
    "share_interval",
    "share_test",
    "t_interval",
    "t_quantile",
    "wasserstein",
    "wasserstein_binned",
    "wilson",
    "worth_calibrating",
]
