"""The picture of docs/performance.md: the time of one job by operation, for both workers, at each delay."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.lines import DELAYS_MS, Times
from bench.operations import OPERATIONS

mpl.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "bench",
        "font.family": "sans-serif",
        "font.size": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": "white",
        "axes.axisbelow": True,
    }
)
_LOOKS = {
    "plain": ("plain worker", "#9aa5b1", -0.2),
    "email": ("this worker", "#1f5fbf", 0.2),
}
_LEAST = "#d1762f"


def draw(times: Times, file: Path) -> None:
    """Draw a panel for each delay, shortest first."""
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    panels = figure.subplots(1, len(DELAYS_MS), sharey=True)
    places = range(len(OPERATIONS))
    for delay, axes in zip(DELAYS_MS, panels, strict=True):
        for side, (label, color, shift) in _LOOKS.items():
            medians = [times[operation.title, side, delay] for operation in OPERATIONS]
            bars = axes.barh([place + shift for place in places], medians, 0.38, label=label, color=color)
            axes.bar_label(bars, [f"{median:.0f}" for median in medians], padding=3, fontsize=9)
        if delay:
            ends = [operation.least * delay for operation in OPERATIONS]
            axes.plot(ends, list(places), "|", color=_LEAST, markersize=22, markeredgewidth=2)
        axes.set_title(f"{delay} ms for each round trip" if delay else "no delay", fontsize=11)
        axes.margins(x=0.16)
        axes.locator_params(axis="x", nbins=4)
    label = "the least that the protocol's round trips take"
    panels[0].plot([], [], "|", color=_LEAST, markersize=12, markeredgewidth=2, label=label)
    panels[0].set_yticks(places, [operation.title for operation in OPERATIONS])
    panels[0].invert_yaxis()
    figure.supxlabel("milliseconds for one job, median; each panel has its own scale", fontsize=11)
    least, *sides = zip(*panels[0].get_legend_handles_labels(), strict=True)
    handles, labels = zip(*sides, least, strict=True)
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(file, metadata={"Date": None})
