"""Synthetic people: rendered 3D humans with exact 133-keypoint labels, from NumPy, OpenCV and numba alone."""
