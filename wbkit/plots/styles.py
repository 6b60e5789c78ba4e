"""One look for all figures: Okabe-Ito colours, each with a line style as a second cue."""

PART_STYLES = {
    "body": ("#0072B2", "-"),
    "foot": ("#E69F00", "--"),
    "face": ("#CC79A7", "-"),
    "lefthand": ("#009E73", "-."),
    "righthand": ("#56B4E9", "--"),
    "wholebody": ("#000000", "-"),
}
"""Colour and line style of each part: a second cue for readers who cannot tell the colours apart."""
