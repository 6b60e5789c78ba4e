"""Where the time of `wbkit demo` and of a training step goes: python -m benchmarks.stages [--steps N].

Functions of the library are wrapped with a clock; what none of them claims is "the rest". A GPU is waited for
before each look at the clock.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import pandas as pd
import torch

from wbkit import data, heatmaps, pipeline, predict, train
from wbkit.commands import demo
from wbkit.commands.models import load_predictor
from wbkit.data import samples

DEMO = (  # owner, name, stage; stages inside another are taken off it
    (demo, "load_annotations", "annotations: parse or cache"),
    (demo, "load_predictor", "model: load and prepare"),
    (samples, "read_image", "pictures: read JPEG"),
    (samples, "cut_sample", "crops: warp"),
    (predict.Predictor, "forward", "network"),
    (heatmaps.HeatmapCodec, "decode", "decode"),
    (pipeline, "rescore_and_nms", "rescore and NMS"),
    (pipeline, "per_part_table", "AP and AR"),
    (demo, "keypoint_table", "errors by keypoint"),
    (demo, "draw", "figures"),
)
TRAINING = (
    (samples, "read_image", "samples: read JPEG"),
    (samples, "change_pixels", "samples: light, blur, noise"),
    (samples, "cut_sample", "samples: warp and the rest"),
    (heatmaps.HeatmapCodec, "encode", "targets"),
    (train, "heatmap_loss", "loss"),
    (torch.nn.Module, "__call__", "network, forward"),
    (torch.Tensor, "backward", "network, backward"),
    (torch.optim.Adam, "step", "Adam"),
)


def now() -> float:
    """Seconds on a clock, with the GPU's work done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class Stages:
    """Seconds by stage, each without the stages inside it."""

    def __init__(self):
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []  # seconds of the stages inside each running one
        self._running: list[str] = []

    def clocked(self, function, stage: str):
        @wraps(function)
        def run(*args, **more):
            if stage in self._running:  # a module calls its children
                return function(*args, **more)
            self._running.append(stage)
            self._inside.append(0.0)
            start = now()
            try:
                return function(*args, **more)
            finally:
                took = now() - start
                self.seconds[stage] += took - self._inside.pop()
                self._running.pop()
                if self._inside:
                    self._inside[-1] += took

        return run

    @contextmanager
    def watch(self, places) -> Iterator[None]:
        kept = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
        for owner, name, stage in places:
            setattr(owner, name, self.clocked(getattr(owner, name), stage))
        try:
            yield
        finally:
            for owner, name, function in kept:
                setattr(owner, name, function)

    def table(self, total: float) -> pd.DataFrame:
        rows = {**self.seconds, "the rest": total - sum(self.seconds.values())}
        table = pd.DataFrame({"s": rows}).sort_values("s", ascending=False)
        return table.assign(share=table.s / total)


def profile_demo(folder: Path) -> pd.DataFrame:
    """`wbkit demo` on the data it takes by itself, imports not counted."""
    stages = Stages()
    with stages.watch(DEMO), contextlib.redirect_stdout(io.StringIO()):
        start = now()
        demo.run_demo(None, folder)
        total = now() - start
    return stages.table(total)


def profile_training(steps: int) -> pd.DataFrame:
    """Updates of the recipe `tiny` on the embedded set, samples made in the same process."""
    from dataclasses import replace

    from wbkit.annotations import load_annotations
    from wbkit.files import data_folder

    predictor = load_predictor(None)
    recipe = predictor.recipe
    coco = data.find_coco_folder(data_folder() / "wholebody-mini", "train")
    persons = data.persons_from_annotations(load_annotations(coco.annotations))
    batch = recipe.schedule.batch_size
    persons = persons.select(slice(0, steps * batch))
    recipe = replace(recipe, schedule=replace(recipe.schedule, epochs=1))
    dataset = data.WholeBodyDataset(persons, coco.images, recipe, recipe.augmentation)
    stages = Stages()
    with stages.watch(TRAINING):
        start = now()
        train.fit(predictor.model, recipe, dataset, progress=False)
        total = now() - start
    return stages.table(total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8, help="of training (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("wbkit demo\n" + profile_demo(Path(folder)).to_string(float_format="{:.3f}".format))
    table = profile_training(options.steps)
    print(f"\n{options.steps} updates of recipe tiny\n" + table.to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
