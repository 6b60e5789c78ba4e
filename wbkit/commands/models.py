"""From --recipe, --checkpoint and friends to a Predictor."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import torch

from wbkit.checkpoints import NUM_BODY, describe_checkpoint, load_pose_weights
from wbkit.errors import InputError
from wbkit.files import data_folder
from wbkit.hrnet import PoseNet
from wbkit.predict import Predictor, find_recipe
from wbkit.recipes import RECIPES, Recipe


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
) -> Predictor:
    """A predictor with a checkpoint's weights.

    Args:
        checkpoint: file, address or published name; None: the shipped model.
        recipe: a recipe's name; None: what the checkpoint's metadata or name says.
        device, compile, exact, flip_test, batch_size: see `Predictor`; `bf16`: its `dtype`.

    Raises:
        InputError: no checkpoint, none that fits, an unknown recipe, or no such device.
    """
    checkpoint = checkpoint or shipped_model()
    if checkpoint is None:
        raise InputError(
            "no checkpoint was given, and there is no model in data/models",
            "Give --checkpoint FILE, or a published one: --checkpoint w32_dark_256x192",
        )
    info = describe_checkpoint(checkpoint)
    same = recipe in (None, info.metadata.get("recipe"))  # then the file also knows its input size
    chosen = _recipe_of(str(checkpoint), info.metadata) if same else find_recipe(recipe)
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
    print(f"{report.info}; recipe {chosen.name}, crops of {'{}x{}'.format(*chosen.input_size)} px")
    return Predictor(
        model,
        chosen,
        flip_test,
        device=_checked_device(device),
        dtype=torch.bfloat16 if bf16 else torch.float32,
        batch_size=batch_size,
        exact=exact,
        compile=compile,
    )


def _recipe_of(checkpoint: str, metadata: dict[str, str]) -> Recipe:
    """By the safetensors header, a published name, or a published file name."""
    if "recipe" in metadata:
        recipe = find_recipe(metadata["recipe"])
        size = metadata.get("input_size")  # files before it was written are of the recipe's own
        return recipe.at(tuple(int(n) for n in size.split("x"))) if size else recipe
    for recipe in RECIPES.values():
        published = recipe.checkpoint_url and recipe.checkpoint_url.rsplit("/", 1)[1]
        if checkpoint == recipe.name or (published and checkpoint.endswith(published)):
            return recipe
    raise InputError(
        "does not say which recipe it was trained with",
        f"Give --recipe, one of: {', '.join(RECIPES)}",
        file=checkpoint,
    )


def _checked_device(device: str | None) -> torch.device | None:
    """The device, if torch has it."""
    if device is None:
        return None
    try:
        torch.empty(1, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {device!r} cannot be used ({reason})", "Try --device cpu") from error
