"""Explorers for Jupyter: look at heatmaps, decoders, failures, and your own photos with the mouse or keys.

Each function returns a widget; put it last in a cell.
"""

from wbkit.widgets.box_picker import box_picker
from wbkit.widgets.dark_explorer import dark_explorer
from wbkit.widgets.failure_browser import failure_browser
from wbkit.widgets.heatmap_explorer import heatmap_explorer
from wbkit.widgets.people import Person, largest_person

__all__ = [
    "Person",
    "box_picker",
    "dark_explorer",
    "failure_browser",
    "heatmap_explorer",
    "largest_person",
]
