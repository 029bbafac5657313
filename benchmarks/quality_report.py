"""Draws the curves of quality over minutes, and writes their table.

    python -m benchmarks.quality_report

It reads the results of `benchmarks.quality_per_hour`, writes two pictures, and replaces
the tables in docs/quality_per_hour.md, between the lines `<!-- NAME -->` and
`<!-- end -->`. Figures are means over the seeds.
"""

import dataclasses
import os
import re
import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.quality.results import Point, Result, read_results
from bert_tf.report.plots import new_figure
from data_pipelines.files.atomic import write_file
from data_pipelines.programs import cli

# The steps and figures of the curves: title, step, figure, factor.
_BITS = ("bits per byte of held-out words", "heldout", "bits_per_byte", 1)
_SCORES = (
    ("BLiMP, %", "blimp", "accuracy", 100),
    ("CoNLL-2003, F1 %", "conll2003", "entity_f1", 100),
    ("STS-B, Pearson %", "glue/stsb", "pearson", 100),
)
_TABLE = (
    _BITS,
    ("words right, %", "heldout", "word_accuracy", 100),
    *_SCORES,
    ("M tokens", "pretrain", "tokens", 1e-6),
    ("PFLOP", "pretrain", "flop", 1e-15),
)
_NAMES = {
    "compact": "--family=compact",
    "recipe_90_minutes": "90-minute recipe",
    "bert": "--family=bert",
    "modern": "--family=modern",
    "keras_hub": "KerasHub",
    "hugging_face": "transformers",
}
# A kind of line for each machine.
_MARKS = ("o-", "s--", "^:", "D-.")
_COLORS = ("#2563a8", "#d1495b", "#2a9d5c", "#e09f3e", "#7b5ea7", "#777777")


@dataclasses.dataclass(frozen=True)
class ReportOptions:
    """Options of the program."""

    results_file: str = cli.option(
        "benchmarks/results/quality_per_hour.jsonl", "The file of the results."
    )
    docs_dir: str = cli.option("docs", "Folder of the page and the pictures.")


def main(options: ReportOptions) -> None:
    """Writes the pictures and the tables.

    Raises:
        ValueError: there are no results, or the page lacks the place of a table.
    """
    results = read_results(options.results_file)
    if not results:
        raise ValueError(
            f"{options.results_file} has no results. Expected those of "
            "benchmarks.quality_per_hour: run it first."
        )
    page = os.path.join(options.docs_dir, "quality_per_hour.md")
    with open(page, encoding="utf-8") as file:
        text = file.read()
    for name, table in (
        ("curve", curve_table(results)),
        ("full", full_table(results)),
        ("times", times_table(results)),
    ):
        text = replaced(text, name, table)
    write_file(page, text.encode())
    for name, panels in (("bits", (_BITS,)), ("tasks", _SCORES)):
        draw(results, panels, os.path.join(options.docs_dir, f"quality_{name}.png"))
    print(f"Wrote {page} and the pictures beside it.")


def replaced(text: str, name: str, table: str) -> str:
    """Replaces what is between the lines `<!-- name -->` and `<!-- end -->`.

    Raises:
        ValueError: the lines are not there.
    """
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not place.search(text):
        raise ValueError(f"The page lacks <!-- {name} --> and <!-- end -->.")
    return place.sub(lambda found: f"{found[1]}{table}{found[2]}", text)


# A place in the tables: the machine, the minutes, and the side.
Place = tuple[str, float, str]


def machine_names(results: Sequence[Result]) -> dict[Point, str]:
    """Returns a letter for the machine that each point was trained on.

    Machines whose rates of matrix products in bfloat16 agree within a tenth have the
    same letter: their figures are compared.
    """
    rates: list[float] = []
    found = {}
    for result in results:
        if result.step != "pretrain":
            continue
        rate = result.machine["bfloat16_gflops"]
        near = [n for n, known in enumerate(rates) if abs(rate / known - 1) <= 0.1]
        if not near:
            rates.append(rate)
        found[result.point] = chr(ord("A") + (near[0] if near else len(rates) - 1))
    return found


def values_of(
    results: Sequence[Result], step: str, figure: str
) -> dict[Place, list[float]]:
    """Returns a figure of all seeds, by place, in the order of the file."""
    machines = machine_names(results)
    found: dict[Place, list[float]] = {}
    for result in results:
        if result.step == step and figure in result.values:
            point = result.point
            place = (machines.get(point, "?"), point.minutes, point.side)
            found.setdefault(place, []).append(result.values[figure])
    return found


def curve_table(results: Sequence[Result]) -> str:
    """Returns the table of all points, the best figure of a budget in bold."""
    columns = [title for title, *_ in _TABLE]
    found = [values_of(results, step, figure) for _, step, figure, _ in _TABLE]
    shares = _shares(results)
    rows = []
    # A stable sort: the sides keep their order.
    for place in sorted(found[0], key=lambda place: place[:2]):
        machine, minutes, side = place
        cells = [machine, f"{minutes:g}", _NAMES[side], str(len(found[0][place]))]
        for (title, _, _, factor), values in zip(_TABLE, found, strict=True):
            rivals = [v for other, v in values.items() if other[:2] == place[:2]]
            cells.append(_cell(title, values.get(place), rivals, factor))
        cells.append(f"{100 * statistics.mean(shares[place]):.1f}")
        rows.append(cells)
    last = "share of the matrix rate, %"
    return _markdown(["machine", "minutes", "side", "seeds", *columns, last], rows)


def _cell(
    title: str, values: list[float] | None, rivals: list[list[float]], factor: float
) -> str:
    if not values:
        return "–"
    means = [statistics.mean(v) for v in rivals]
    mean = statistics.mean(values)
    digits = 3 if "bits" in title else 2 if "PFLOP" in title else 1
    shown = f"{factor * mean:.{digits}f}"
    if len(values) > 1:
        shown += f" ± {factor * statistics.stdev(values):.{digits}f}"
    best = min(means) if "bits" in title else max(means)
    is_quality = not title.endswith(("tokens", "PFLOP"))
    return f"**{shown}**" if is_quality and mean == best else shown


def _shares(results: Sequence[Result]) -> dict[Place, list[float]]:
    """Operations over those of a matrix product in bfloat16 in the whole budget."""
    machines = machine_names(results)
    found: dict[Place, list[float]] = {}
    for result in results:
        if result.step == "pretrain":
            point, rate = result.point, result.machine["bfloat16_gflops"]
            place = (machines[point], point.minutes, point.side)
            share = result.values["flop"] / (60e9 * point.minutes * rate)
            found.setdefault(place, []).append(share)
    return found


def full_table(results: Sequence[Result]) -> str:
    """Returns the table of the full evaluations."""
    columns: dict[str, dict[str, str]] = {}
    for result in results:
        model = f"{_NAMES[result.point.side]}, {result.point.minutes:g} minutes"
        values = result.values
        if result.step == "blimp+full":
            for name, value in values.items():
                if not name.startswith("set/"):
                    row = f"BLiMP, {name.replace('_', ' ').replace('/', ' ')}"
                    columns.setdefault(row, {})[model] = f"{100 * value:.1f}"
        if result.step.startswith("paper/"):
            shown = f"{100 * values['mean']:.1f} ± {100 * values['deviation']:.1f}"
            row = f"{result.step.removeprefix('paper/')} ({values['num_runs']} seeds)"
            columns.setdefault(row, {})[model] = shown
    models = sorted({model for cells in columns.values() for model in cells})
    rows = [
        [row, *(cells.get(m, "–") for m in models)] for row, cells in columns.items()
    ]
    return _markdown(["measure", *models], rows) if rows else ""


def times_table(results: Sequence[Result]) -> str:
    """Returns the median seconds of each step, and the machines."""
    seconds: dict[str, list[float]] = {}
    for result in results:
        if result.step != "pretrain":
            seconds.setdefault(result.step, []).append(result.seconds)
    rows = [
        [step, str(len(times)), f"{statistics.median(times):.0f}"]
        for step, times in seconds.items()
    ]
    table = _markdown(["evaluation", "times", "seconds, median"], rows)
    return table + "\n" + "".join(f"{line}\n" for line in _machines(results))


def _machines(results: Sequence[Result]) -> list[str]:
    names = machine_names(results)
    found: dict[tuple, list[dict[str, Any]]] = {}
    for result in results:
        machine = result.machine
        name = names.get(result.point, "?")
        sets = ", ".join(machine["instruction_sets"])
        key = (name, machine["processor"], machine["cores"], sets)
        found.setdefault(key, []).append(machine)
    lines = []
    for (name, processor, cores, sets), machines in sorted(found.items()):
        rates = [
            f"{statistics.median(m[f'{dtype}_gflops'] for m in machines):,.0f} GFLOP/s "
            f"in {dtype}"
            for dtype in ("float32", "bfloat16")
        ]
        versions = f"TensorFlow {machines[-1]['tensorflow']}"
        lines.append(
            f"- {name}: {processor}, {cores} cores ({sets}), matrix products at "
            f"{' and '.join(rates)}, {versions}: {len(machines)} steps"
        )
    return lines


def draw(
    results: Sequence[Result], panels: Sequence[tuple[str, str, str, float]], path: str
) -> None:
    """Draws curves over minutes, a panel for each figure, to a PNG.

    Points of different machines are not joined.
    """
    figure = new_figure(7 if len(panels) == 1 else 4.2 * len(panels), 4.2)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    sides = list(dict.fromkeys(result.point.side for result in results))
    for axis, (title, step, name, factor) in zip(axes, panels, strict=True):
        values = values_of(results, step, name)
        minutes = sorted({m for _, m, _ in values})
        machines = sorted({name for name, _, _ in values})
        for machine, mark in zip(machines, _MARKS, strict=False):
            for side, color in zip(sides, _COLORS, strict=False):
                at = sorted(m for n, m, s in values if (n, s) == (machine, side))
                means = [factor * statistics.mean(values[machine, m, side]) for m in at]
                if at:
                    axis.plot(at, means, mark, color=color, markersize=4)
        axis.set_title(title, fontsize=10)
        axis.set_xscale("log")
        axis.set_xticks(minutes, [f"{m:g}" for m in minutes], minor=False)
        axis.minorticks_off()
        axis.set_xlabel("minutes of the whole training command")
        axis.grid(visible=True, alpha=0.3)
    # A color for each side, and a mark for each machine.
    names = sorted(
        {name for name, _, _ in values_of(results, panels[0][1], panels[0][2])}
    )
    entries = [(_NAMES[s], "s", c) for s, c in zip(sides, _COLORS, strict=False)]
    entries += [
        (f"machine {name}", mark, "gray")
        for name, mark in zip(names, _MARKS, strict=False)
    ]
    for name, mark, color in entries:
        axes[0].plot([], [], mark, color=color, label=name, markersize=4)
    figure.legend(loc="outside right center", fontsize=7)
    figure.savefig(path, dpi=120)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    cli.run(ReportOptions, main, __doc__)
