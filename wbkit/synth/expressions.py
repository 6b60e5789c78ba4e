"""Facial expressions."""

from __future__ import annotations

import numpy as np

from wbkit.synth.body import Body


def sample_face(body: Body, rng: np.random.Generator) -> np.ndarray:
    """Facial actions (52,), 0-1: an expression, speech, sometimes closed eyes."""
    pairs = {
        "neutral": {}, "smile": {"mouthSmile": 0.8, "eyeSquint": 0.3, "cheekSquint": 0.3},
        "laugh": {"mouthSmile": 0.9, "jawOpen": 0.5, "eyeSquint": 0.5, "mouthUpperUp": 0.3},
        "surprise": {"jawOpen": 0.6, "browInnerUp": 0.9, "eyeWide": 0.7, "browOuterUp": 0.7},
        "angry": {"browDown": 0.9, "noseSneer": 0.5, "mouthFrown": 0.4, "mouthPress": 0.4},
        "sad": {"mouthFrown": 0.8, "browInnerUp": 0.7, "mouthShrugLower": 0.3},
        "speak": {"jawOpen": rng.uniform(0.1, 0.5), "mouthFunnel": rng.uniform(0, 0.6)},
        "kiss": {"mouthPucker": 0.9}, "shout": {"jawOpen": 0.95, "mouthStretch": 0.4, "browDown": 0.4},
    }  # fmt: skip
    out = dict.fromkeys(body.actions, 0.0)
    strength = rng.uniform(0.4, 1)
    for name, value in pairs[rng.choice(list(pairs))].items():
        for full in (name, name + "Left", name + "Right"):
            if full in out:
                out[full] = value * strength * rng.uniform(0.8, 1.1)
    usable = [
        a for a in body.actions if a not in ("tongueOut", "mouthClose", "jawForward") and "eyeLook" not in a
    ]
    for name in rng.choice(usable, 3, replace=False):
        out[name] = max(out[name], rng.uniform(0, 0.35))
    if rng.uniform() < 0.08:
        out["eyeBlinkLeft"] = out["eyeBlinkRight"] = 1.0
    elif rng.uniform() < 0.03:
        out[rng.choice(["eyeBlinkLeft", "eyeBlinkRight"])] = 1.0
    return np.clip(list(out.values()), 0, 1)
