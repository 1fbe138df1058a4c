"""Shipway takes machine-learning systems from experiment to production with the rigour of an application deployment."""

__version__ = "0.1.0"
