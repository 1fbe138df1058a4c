"""Experiment tracking: a real MLflow server as a child process, mounted by nobody and rewritten by nobody."""

from shipway.tracking._server import Tracking, TrackingFailed, start_tracking, tracking_installed

__all__ = ["Tracking", "TrackingFailed", "start_tracking", "tracking_installed"]
