"""Options of the chart at a live API server, and taking it away."""

from ring import BASE, NAMESPACE, RELEASE, SETTINGS, expect, show
from snapshot import everything
def options(ring):
    """todo"""
def uninstall(ring):
    """todo"""
