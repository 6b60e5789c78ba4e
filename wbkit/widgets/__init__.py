"""Explorers for Jupyter: look at heatmaps, decoders, failures, and your own photos with the mouse or keys.

Each function returns a widget; put it last in a cell.
"""

from wbkit.widgets.dark_explorer import dark_explorer
from wbkit.widgets.heatmap_explorer import heatmap_explorer
from wbkit.widgets.people import Person, largest_person

__all__ = [
    "Person",
    "dark_explorer",
    "heatmap_explorer",
    "largest_person",
]
