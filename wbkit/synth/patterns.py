"""What tiles are made of: periodic noise, stripes, scattered shapes, bricks; all repeat without a seam."""

from __future__ import annotations

import cv2
import numpy as np

SIZE = 256  # px, both ways, of every tile


def noise(rng: np.random.Generator, smallest: float, slope: float = 1.0) -> np.ndarray:
    """Periodic noise (256, 256), mean 0, variance 1: power falls with frequency, nothing finer than
    `smallest` px."""
    f = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
    amplitude = np.where(f > 0, 1 / np.maximum(f, 1 / SIZE) ** slope, 0) * np.exp(-((f * smallest) ** 2))
    spectrum = np.fft.rfft2(rng.normal(size=(SIZE, SIZE))) * amplitude
    out = np.fft.irfft2(spectrum, (SIZE, SIZE))
    return ((out - out.mean()) / out.std()).astype(np.float32)


def wave(x: np.ndarray, share: float = 0.5) -> np.ndarray:
    """1 over the first `share` of every unit of x, soft edges."""
    phase = x % 1
    return np.clip(np.minimum(phase, share - phase) * 40 + 0.5, 0, 1)


def stamp(rng, count, radius, kinds=("circle",)) -> np.ndarray:
    """Shapes scattered over a periodic tile: (256, 256) 0-1."""
    big = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(count):
        x, y, r = *rng.integers(0, SIZE, 2), int(rng.uniform(0.6, 1.3) * radius)
        kind = rng.choice(kinds)
        for dx in (-SIZE, 0, SIZE):
            for dy in (-SIZE, 0, SIZE):
                c = (int(x) + dx, int(y) + dy)
                if kind == "circle":
                    cv2.circle(big, c, r, 255, -1, cv2.LINE_AA)
                elif kind == "petals":
                    for a in range(0, 360, 72):
                        p = (int(c[0] + r * np.cos(np.radians(a))), int(c[1] + r * np.sin(np.radians(a))))
                        cv2.circle(big, p, max(2, r // 2), 255, -1, cv2.LINE_AA)
                else:
                    cv2.ellipse(big, c, (r, max(2, r // 3)), x % 180, 0, 360, 255, -1, cv2.LINE_AA)
    return big / 255


def grid(u, v, width, height, shift=0.5, gap=0.06):
    """Bricks on (256, 256) tile coordinates 0-1: the joints' mask 0-1, and a number 0-1 for every brick."""
    row = np.floor(v * height)
    uu = u * width + shift * (row % 2)
    column = np.floor(uu) % width
    joint = 1 - np.minimum(wave(uu - gap / 2, 1 - gap), wave(v * height - gap / 2, 1 - gap))
    return joint, (row * 7919 + column * 104729) % 101 / 101
