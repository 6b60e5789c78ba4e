"""From files to batches: persons, samples, loaders, and where all that lies."""

from wbkit.data.folders import DETECTIONS, CocoFolder, find_coco_folder, has_split
from wbkit.data.loading import EpochSampler, collate, make_loader
from wbkit.data.persons import (
    Persons,
    join_persons,
    left_out,
    part_persons,
    persons_from_annotations,
    persons_from_detections,
)
from wbkit.data.samples import SyntheticPeople, WholeBodyDataset, cut_sample

__all__ = [
    "DETECTIONS",
    "CocoFolder",
    "EpochSampler",
    "Persons",
    "SyntheticPeople",
    "WholeBodyDataset",
    "collate",
    "cut_sample",
    "find_coco_folder",
    "has_split",
    "join_persons",
    "left_out",
    "make_loader",
    "part_persons",
    "persons_from_annotations",
    "persons_from_detections",
]
