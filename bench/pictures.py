"""The pictures of docs/performance.md: one for each table, as SVG with text that stays text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
_OURS, _BARE, _THIRD = "#1f5fbf", "#9aa5b1", "#d1762f"
_MB = 1_000_000


def draw_floor(axes: Axes, results: dict[str, Any]) -> None:
    """Median times of the exchange, of a client that does the same work, and of the worker."""
    rows = results["rows"]
    sides = (
        ("exchange_ms", "the exchange alone", _BARE),
        ("bare_ms", "the same work by the standard library", _THIRD),
        ("worker_ms", "worker", _OURS),
    )
    _bars(axes, [row["operation"] for row in rows], rows, "median time, ms (logarithmic)", sides)
    axes.set_xscale("log")


def draw_wire(axes: Axes, results: dict[str, Any]) -> None:
    """Median times on the slowest line."""
    slowest = max(row["delay_ms"] for row in results["rows"])
    rows = [row for row in results["rows"] if row["delay_ms"] == slowest]
    _pairs(
        axes, [row["operation"] for row in rows], rows, f"median time at {slowest:g} ms per round trip, ms"
    )


def draw_growth(axes: Axes, results: dict[str, Any]) -> None:
    """Median time by size of the folder, the worker's solid and the bare client's dashed."""
    lines = defaultdict(list)
    for row in results["rows"]:
        lines[row["operation"]].append(row)
    for index, (operation, rows) in enumerate(lines.items()):
        sizes = [row["messages"] for row in rows]
        color = f"C{index}"
        axes.plot(sizes, _medians(rows, "worker_ms"), "o-", color=color, label=operation)
        axes.plot(sizes, _medians(rows, "bare_ms"), "--", color=color, linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="messages in the folder", ylabel="median time, ms")
    axes.legend(
        title="worker; dashed: bare client",
        fontsize=9,
        title_fontsize=9,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
    )
    axes.grid(visible=True, color="#e5e8eb")


def draw_jobs(axes: Axes, results: dict[str, Any]) -> None:
    """Jobs per second of the three workers at each level."""
    rows = results["rows"]
    places = range(len(rows))
    for offset, (name, title, color) in enumerate(
        (("noop", "pyzeebe, does nothing", _BARE), ("send", "send", _OURS), ("list", "list", _THIRD))
    ):
        rates = [row[name]["per_second"]["median"] if name in row else 0 for row in rows]
        bars = axes.bar(
            [place + (offset - 1) * 0.27 for place in places], rates, 0.25, label=title, color=color
        )
        axes.bar_label(bars, [f"{rate:.0f}" if rate else "" for rate in rates], fontsize=9)
    axes.set_xticks(places, [_level(row) for row in rows])
    axes.set(ylabel="jobs per second, median")
    axes.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)


def draw_fairness(axes: Axes, results: dict[str, Any]) -> None:
    """The rate alone and beside the slow server."""
    rates = [results[name]["median"] for name in ("alone_per_second", "beside_per_second")]
    bars = axes.barh(
        ["beside jobs\nthat are nobody's", "beside a server\nthat answers after 30 s"],
        rates,
        color=[_BARE, _OURS],
    )
    axes.bar_label(bars, [f"{rate:.0f}" for rate in rates], padding=3)
    axes.invert_yaxis()
    axes.set(xlabel="jobs per second for the other server, median")


def draw_memory(axes: Axes, results: dict[str, Any]) -> None:
    """Resident sizes."""
    jobs, reading, sends = results["jobs"], results["reading"], results["sends"]
    bars = {
        "pyzeebe, idle": jobs["noop_idle_bytes"],
        "idle": jobs["idle_bytes"],
        f"after {jobs['jobs']:,} jobs": jobs["after_bytes"],
        f"after {sends['sends']:,} sends": sends["resident_bytes"][-1],
        f"reading {reading['messages']} of {reading['message_bytes'] / _MB:.0f} MB": reading["peak_bytes"],
    }
    drawn = axes.barh(list(bars), [size / _MB for size in bars.values()], color=[_BARE, *[_OURS] * 4])
    axes.bar_label(drawn, [f"{size / _MB:.0f}" for size in bars.values()], padding=3)
    axes.invert_yaxis()
    axes.set(xlabel="resident size, MB")


def draw_cold(axes: Axes, results: dict[str, Any]) -> None:
    """Start times."""
    _pairs(axes, ["email-worker --version", "start to first job"], list(results.values()), "median time, ms")


_DRAWINGS: dict[str, tuple[Callable[[Axes, dict[str, Any]], None], float]] = {
    "floor": (draw_floor, 5.6),
    "wire": (draw_wire, 4.0),
    "growth": (draw_growth, 4.8),
    "jobs": (draw_jobs, 4.0),
    "fairness": (draw_fairness, 2.0),
    "memory": (draw_memory, 3.0),
    "cold": (draw_cold, 2.2),
}


def draw(part: str, results: dict[str, Any], file: Path) -> None:
    """Draw a part's picture."""
    drawing, inches = _DRAWINGS[part]
    figure = Figure(figsize=(8, inches), layout="constrained")
    drawing(figure.subplots(), results)
    figure.savefig(file, metadata={"Date": None})


def _pairs(axes: Axes, titles: list[str], rows: list[dict[str, Any]], label: str) -> None:
    sides = (("bare_ms", "the least possible", _BARE), ("worker_ms", "worker", _OURS))
    _bars(axes, titles, rows, label, sides)


def _bars(
    axes: Axes,
    titles: list[str],
    rows: list[dict[str, Any]],
    label: str,
    sides: tuple[tuple[str, str, str], ...],
) -> None:
    places = range(len(rows))
    height = 0.8 / len(sides)
    for index, (side, title, color) in enumerate(sides):
        times = _medians(rows, side)
        shift = (index - (len(sides) - 1) / 2) * height
        bars = axes.barh([place + shift for place in places], times, height * 0.95, label=title, color=color)
        axes.bar_label(bars, [f"{time:.3g}" for time in times], padding=3, fontsize=9)
    axes.set_yticks(places, titles)
    axes.invert_yaxis()
    axes.set(xlabel=label)
    axes.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(sides), frameon=False)


def _medians(rows: list[dict[str, Any]], side: str) -> list[float]:
    return [row[side]["median"] for row in rows]


def _level(row: dict[str, Any]) -> str:
    return f"{row['at_once']} at once"
