"""`wbkit download`: what has a stable public address is fetched; how to get the rest is said."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

from tqdm import tqdm

from wbkit.checkpoints import OFFICIAL_CHECKPOINTS, describe_checkpoint
from wbkit.download import fetch
from wbkit.errors import InputError
from wbkit.files import atomic_write, data_folder

COCO_VAL_PICTURES = "http://images.cocodataset.org/zips/val2017.zip"
COCO_VAL_MD5 = "md5:442b8da7639aecaf257c1dceb8ba8c80"

BY_HAND = """
Two more files are needed, which have no stable public address:
  {folder}/annotations/coco_wholebody_val_v1.0.json
      from https://github.com/jin-s13/COCO-WholeBody (section "Download"; free for research)
  {folder}/person_detection_results/COCO_val2017_detections_AP_H_56_person.json
      from the links in https://mmpose.readthedocs.io (dataset_zoo, 2D body keypoints, COCO): only for
      --boxes detections, with which the published numbers were made"""


def download(options: argparse.Namespace) -> None:
    """What was asked for."""
    if options.what == "coco-val":
        download_coco_val(options.data)
    else:
        download_checkpoint(options.name)


def download_coco_val(
    folder: Path | None, url: str = COCO_VAL_PICTURES, known_hash: str = COCO_VAL_MD5
) -> None:
    """Fetch and unpack val2017 (5,000 pictures, 0.8 GB), and say how to get the rest.

    Pictures that are already there are kept; an interrupted call goes on where it stopped.
    """
    folder = folder or data_folder() / "coco"
    archive = fetch(url, known_hash=known_hash)
    unpack(archive, folder)
    print(f"Pictures are in {folder}." + BY_HAND.format(folder=folder))


def unpack(archive: Path, folder: Path) -> None:
    """Extract a zip of pictures, file by file and atomically, leaving out what is already there.

    Raises:
        InputError: the archive is damaged or holds a path that leaves the folder.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            for entry in tqdm(content.infolist(), desc="unpack", unit="file"):
                target = (folder / entry.filename).resolve()
                if not target.is_relative_to(folder.resolve()):
                    remedy = "Don't use it: whoever made it wants to write elsewhere"
                    raise InputError(f"holds a path outside: {entry.filename}", remedy, file=archive)
                done = target.is_file() and target.stat().st_size == entry.file_size
                if not entry.is_dir() and not done:
                    with atomic_write(target) as temporary:
                        temporary.write_bytes(content.read(entry))
    except zipfile.BadZipFile as error:
        raise InputError(
            f"is no whole zip file ({error})", "Delete it and call again", file=archive
        ) from error


def download_checkpoint(name: str | None) -> None:
    """Fetch a published checkpoint, verify it, and say what it is."""
    if name is None or (name not in OFFICIAL_CHECKPOINTS and "://" not in name):
        raise InputError(
            f"there is no published checkpoint {name!r}" if name else "no checkpoint is named",
            f"Choose one of: {', '.join(OFFICIAL_CHECKPOINTS)}; or give an address",
        )
    path = fetch(OFFICIAL_CHECKPOINTS.get(name, name))
    print(f"{path}\n{describe_checkpoint(path)}")
