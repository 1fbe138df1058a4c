"""The versioned runners, each one file that a project's Python runs. Nothing here is ever imported by Shipway.

A published version keeps its bytes: its name is part of every environment's digest, so a change is a new file beside it.
"""
