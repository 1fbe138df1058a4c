"""Project environments: locks, the virtual environments made from them, the serving overlay, and the runner of steps.

Shipway's own environment and a project's are two: nothing of the project is imported here, and the project's Python
gets no more from us than one file (`runner/v1.py`) or the overlay. Resolving and installing is uv's work.
"""

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.environment._cache import default_cache
    from shipway.environment._here import unlike_here
    from shipway.environment._kept import WheelsMalformed, keep_files, kept_wheels, lay_out_wheels, register_wheels
    from shipway.environment._lock import LockUnpinned, Pin, environment_object, lock_requirements, parse_lock
    from shipway.environment._overlay import ensure_overlay, find_overlay, minor_version, overlay_command, overlay_lock
    from shipway.environment._project import ensure_environment, is_made
    from shipway.environment._runner import Runner, check_runner
    from shipway.environment._step import (
        Codec,
        RunnerDied,
        StepCall,
        StepError,
        StepFailed,
        StepFile,
        StepInput,
        StepResult,
        StepTimedOut,
    )
    from shipway.environment._uv import EnvironmentFailed
    from shipway.environment._wheels import WheelMissing, collect_wheels, platform_tag

_HOME = {
    "_cache": ["default_cache"],
    "_here": ["unlike_here"],
    "_kept": ["WheelsMalformed", "keep_files", "kept_wheels", "lay_out_wheels", "register_wheels"],
    "_lock": ["LockUnpinned", "Pin", "environment_object", "lock_requirements", "parse_lock"],
    "_overlay": ["ensure_overlay", "find_overlay", "minor_version", "overlay_command", "overlay_lock"],
    "_project": ["ensure_environment", "is_made"],
    "_runner": ["Runner", "check_runner"],
    "_step": [
        "Codec",
        "RunnerDied",
        "StepCall",
        "StepError",
        "StepFailed",
        "StepFile",
        "StepInput",
        "StepResult",
        "StepTimedOut",
    ],
    "_uv": ["EnvironmentFailed"],
    "_wheels": ["WheelMissing", "collect_wheels", "platform_tag"],
}

__all__ = [
    "Codec",
    "EnvironmentFailed",
    "LockUnpinned",
    "Pin",
    "Runner",
    "RunnerDied",
    "StepCall",
    "StepError",
    "StepFailed",
    "StepFile",
    "StepInput",
    "StepResult",
    "StepTimedOut",
    "WheelMissing",
    "WheelsMalformed",
    "check_runner",
    "collect_wheels",
    "default_cache",
    "ensure_environment",
    "ensure_overlay",
    "environment_object",
    "find_overlay",
    "is_made",
    "keep_files",
    "kept_wheels",
    "lay_out_wheels",
    "lock_requirements",
    "minor_version",
    "overlay_command",
    "overlay_lock",
    "parse_lock",
    "platform_tag",
    "register_wheels",
    "unlike_here",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
