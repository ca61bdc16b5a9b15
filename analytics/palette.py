"""The colours of every figure, on the page and in a notebook; each has a word, a sign or a number beside it."""

from __future__ import annotations

from kubedossier.analytics.figures import COLLECTED, DROPPED, IMPORTED, MISSING, NOT_YET, PARTIAL

INK, MUTED, BLUE, ALERT, AMBER, AMBER_TEXT = "#16233B", "#5B6779", "#1F5FA8", "#B3401F", "#B7791F", "#8F5E12"
GOOD, VIOLET, HAIRLINE, TRACK = "#24766B", "#6B4C86", "#D5DBE4", "#EEF1F5"
RAMP = ("#F1F4F8", "#D6E2EF", "#ADC6E0", "#7CA3CC", "#4A7DB3", "#235790", "#0D315F")
"""From few to many."""
STATE_COLOURS = {COLLECTED: GOOD, PARTIAL: AMBER, MISSING: MUTED, DROPPED: ALERT, IMPORTED: VIOLET, NOT_YET: HAIRLINE}
SANS = "Inter"
