"""From --recipe, --checkpoint and friends to a Predictor."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import torch

from wbkit.checkpoints import NUM_BODY, describe_checkpoint, load_pose_weights
from wbkit.errors import InputError
from wbkit.files import data_folder
from wbkit.hardware import checked_device
from wbkit.hrnet import PoseNet
from wbkit.predict import Predictor, find_recipe
from wbkit.recipes import RECIPES, SECOND_LOOKS, TINY_ZOOM, Recipe


def shipped_model() -> Path | None:
    """The trained model that comes with wbkit, `data/models/tiny.safetensors`, if it is there.

    Raises:
        InputError: WBKIT_DATA names no folder.
    """
    try:
        model = data_folder() / "models" / "tiny.safetensors"
    except InputError:
        if os.environ.get("WBKIT_DATA"):
            raise
        return None  # wbkit was installed without its data
    return model if model.is_file() else None


def zoom_weights(checkpoint: str | Path | None, zoom: str | Path | None) -> str | Path | None:
    """Weights of the second look, as `load_predictor` takes them; None: there is none.

    With the shipped model comes `data/models/tiny_zoom.safetensors`.
    """
    if zoom is not None:
        return None if str(zoom) == "none" else zoom
    model = shipped_model()
    if model is None or (checkpoint and Path(checkpoint).expanduser().resolve() != model.resolve()):
        return None
    own = model.with_name("tiny_zoom.safetensors")
    return own if own.is_file() else None


def load_predictor(
    checkpoint: str | Path | None = None,
    recipe: str | None = None,
    *,
    device: str | None = None,
    bf16: bool = False,
    compile: bool = False,
    exact: bool = False,
    flip_test: bool | None = None,
    batch_size: int = 32,
    zoom: str | Path | None = None,
) -> Predictor:
    """A predictor with a checkpoint's weights; the shipped one looks twice at faces and hands (`wbkit.zoom`).

    Args:
        checkpoint: file, address or published name; None: the shipped model.
        recipe: a recipe's name; None: what the checkpoint's metadata or name says.
        device, compile, exact, flip_test, batch_size: see `Predictor`; `bf16`: its `dtype`.
        zoom: weights of the second look, or "none"; None: with the shipped model its own, else none.

    Raises:
        InputError: no checkpoint, none that fits, an unknown recipe, or no such device.
    """
    how = {
        "flip_test": flip_test,
        "device": None if device is None else checked_device(device),
        "dtype": torch.bfloat16 if bf16 else torch.float32,
        "batch_size": batch_size,
        "exact": exact,
        "compile": compile,
    }
    second, weights = None, zoom_weights(checkpoint, zoom)
    if recipe in SECOND_LOOKS:
        raise InputError(f"recipe {recipe} is of faces and hands only", "Give its weights as --zoom")
    model, chosen = load_model(checkpoint, recipe)
    if chosen.zoom:
        problem = "sees faces and hands only, which another model has found"
        remedy = "Give it as --zoom, and as --checkpoint the weights of a model of whole people"
        raise InputError(problem, remedy, file=checkpoint)
    if weights:
        second = Predictor(*load_model(weights, unsaid=TINY_ZOOM), **how)
        if not second.recipe.zoom:
            problem = f"is of recipe {second.recipe.name}, which looks at whole people"
            raise InputError(problem, f"Give weights of {TINY_ZOOM.name} as --zoom, or none", file=weights)
    return Predictor(model, chosen, zoom=second, **how)


def load_model(
    checkpoint: str | Path | None = None, recipe: str | None = None, unsaid: Recipe | None = None
) -> tuple[PoseNet, Recipe]:
    """A checkpoint's network and recipe, with a line that tells which: as `load_predictor`.

    `unsaid` is the recipe of files that name none.
    """
    checkpoint = checkpoint or shipped_model()
    if checkpoint is None:
        raise InputError(
            "no checkpoint was given, and there is no model in data/models",
            "Give --checkpoint FILE, or a published one: --checkpoint w32_dark_256x192",
        )
    info = describe_checkpoint(checkpoint)
    same = recipe in (None, info.metadata.get("recipe"))  # then the file also knows its input size
    chosen = _recipe_of(str(checkpoint), info.metadata, unsaid) if same else find_recipe(recipe)
    if info.width not in (None, chosen.width):
        raise InputError(
            f"is of width {info.width}, but recipe {chosen.name} is of width {chosen.width}",
            "Give the --recipe that it was trained with",
            file=checkpoint,
        )
    if info.num_keypoints == NUM_BODY:  # the first run of a + recipe
        chosen = replace(chosen, num_keypoints=NUM_BODY)
    model = PoseNet(chosen.width, chosen.num_keypoints, info.head_channels)
    report = load_pose_weights(model, checkpoint)
    size = "{}x{} px (width x height)".format(*chosen.input_size)
    print(f"{report.info}; recipe {chosen.name}, crops of {size}")
    return model, chosen


def _recipe_of(checkpoint: str, metadata: dict[str, str], unsaid: Recipe | None) -> Recipe:
    """By the safetensors header, a published name, or a published file name."""
    if "recipe" in metadata:
        recipe = find_recipe(metadata["recipe"])
        size = metadata.get("input_size")  # files before it was written are of the recipe's own
        return recipe.at(tuple(int(n) for n in size.split("x"))) if size else recipe
    for recipe in RECIPES.values():
        published = recipe.checkpoint_url and recipe.checkpoint_url.rsplit("/", 1)[1]
        if checkpoint == recipe.name or (published and checkpoint.endswith(published)):
            return recipe
    if unsaid:
        return unsaid
    raise InputError(
        "does not say which recipe it was trained with",
        f"Give --recipe, one of: {', '.join(RECIPES)}",
        file=checkpoint,
    )
