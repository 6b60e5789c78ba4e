"""`wbkit reproduce`: the two published systems, measured on COCO-WholeBody val with the detector's boxes."""

from __future__ import annotations

import argparse

from wbkit.commands.evaluate import evaluate_checkpoint
from wbkit.errors import InputError
from wbkit.published import SEEDS, measured_file, seeds_table


def reproduce(options: argparse.Namespace) -> None:
    """Fetch each published checkpoint, predict, score, keep the table; then print the published rows beside.

    A recipe whose table is there already is not measured again, so an interrupted run goes on.

    Raises:
        InputError: COCO, the detections or a checkpoint are missing.
    """
    for name in SEEDS:
        file = measured_file(options.out, name)
        if file.is_file():
            print(f"{name}: measured before, read from {file}")
            continue
        given = vars(options) | {"checkpoint": name, "recipe": name, "boxes": "detections", "out": file}
        try:
            published = {"no_flip": False, "bf16": False, "compile": False, "exact": True, "zoom": "none"}
            evaluate_checkpoint(argparse.Namespace(**given, **published))
        except InputError:  # such as pictures that cannot be read: the table is not of all people
            file.unlink(missing_ok=True)
            raise
    print(f"\nCOCO-WholeBody v1.0 val, detector's boxes, flip test\n{seeds_table(options.out).to_string()}")
