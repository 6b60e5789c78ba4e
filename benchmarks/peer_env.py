"""The peers' own environment: MMPose 1.3.2 wants NumPy 1 and packages that wbkit must not have."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".venv-peers"
STEPS = (
    ["torch==2.13.0", "numpy==1.26.4", "setuptools<81", "opencv-python<4.12", "scipy", "matplotlib", "six"],
    [
        "mmengine==0.10.7",
        "mmcv-lite==2.1.0",
        "xtcocotools==1.14.3",
        "json_tricks",
        "munkres",
        "hotcoco==1.3.0",
    ],
    ["--no-deps", "mmpose==1.3.2"],  # its dependencies would build mmcv's operators, which none here needs
)


def ready() -> Path | None:
    """The environment's Python; None, and why, where it cannot be made (no Python 3.11, no network)."""
    python, stamp = FOLDER / "bin" / "python", FOLDER / ".installed"
    if stamp.exists() and stamp.read_text() == repr(STEPS):
        return python
    base = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if base is None:
        print("Peers left out: xtcocotools' wheels end with Python 3.11, and there is none. Install it.")
        return None
    print(f"Making {FOLDER.name} for MMPose, xtcocotools and hotcoco (once; some minutes) ...", flush=True)
    try:
        subprocess.run([base, "-m", "venv", str(FOLDER)], check=True)
        for step in STEPS:
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *step], check=True)
    except subprocess.CalledProcessError as error:
        print(f"Peers left out: {error}. With a network, delete {FOLDER} and call this again.")
        return None
    stamp.write_text(repr(STEPS))
    return python
