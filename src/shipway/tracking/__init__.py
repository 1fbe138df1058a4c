"""Experiment tracking: a real MLflow server as a child process, mounted by nobody and rewritten by nobody."""

from shipway.tracking._run import RunUnread, fetch_run
from shipway.tracking._server import Tracking, TrackingFailed, start_tracking, tracking_installed

__all__ = ["RunUnread", "Tracking", "TrackingFailed", "fetch_run", "start_tracking", "tracking_installed"]
