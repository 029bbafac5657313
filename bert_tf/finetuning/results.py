"""Results of fine-tuning runs, and the selection of the best one."""

import dataclasses
import posixpath
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from bert_tf.training.run_log import joined
from data_pipelines.files.json_files import read_json

# The subfolder of a model folder with a folder for each run, and a run's result file.
RUNS = "runs"
RESULT = "result.json"


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """Settings in which the runs of a search differ; see `FinetuneOptions`."""

    learning_rate: float
    batch_size: int
    num_epochs: float
    seed: int

    @property
    def name(self) -> str:
        """The name of the run's folder, such as `lr3e-05_batch32_epochs3_seed0`."""
        return (
            f"lr{self.learning_rate:g}_batch{self.batch_size}_"
            f"epochs{self.num_epochs:g}_seed{self.seed}"
        )


@dataclasses.dataclass(frozen=True)
class RunResult:
    """The result of one run.

    Attributes:
        settings: the settings of the run.
        metrics: metrics on the development set, at the best checkpoint.
        best_step: the step of that checkpoint.
        seconds: the duration of training and evaluation.
        collapsed: whether it predicts one class for the whole development set.
        test_metrics: metrics of the same checkpoint on other splits, by name.
    """

    settings: RunSettings
    metrics: dict[str, float]
    best_step: int
    seconds: float
    collapsed: bool
    test_metrics: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "RunResult":
        """Makes a result from the contents of `result.json`.

        Raises:
            ValueError: a field is missing or unknown.
        """
        try:
            return cls(**{**values, "settings": RunSettings(**values["settings"])})
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"A {RESULT} lacks values ({error}). Expected the fields "
                f"{', '.join(f.name for f in dataclasses.fields(cls))}: restore the "
                "file."
            ) from None


def read_results(output_dir: str) -> list[RunResult]:
    """The results of all runs in the folder of a model."""
    pattern = posixpath.join(output_dir, RUNS, "*", RESULT)
    paths = sorted(tf.io.gfile.glob(pattern))
    return [RunResult.from_json(read_json(path)) for path in paths]


@dataclasses.dataclass(frozen=True)
class Summary:
    """The statistics of runs that differ only in their seed.

    Attributes:
        settings: the settings of the first run.
        num_runs: the number of runs.
        mean, deviation, best: statistics of the metric; the deviation is the sample
            standard deviation, 0 for one run.
        num_collapsed: the number of runs that have collapsed to one class.
        tests: mean and deviation of the metric on other splits, by name.
    """

    settings: RunSettings
    num_runs: int
    mean: float
    deviation: float
    best: float
    num_collapsed: int
    tests: dict[str, tuple[float, float]]


def summaries(results: Sequence[RunResult], metric: str) -> list[Summary]:
    """A summary for each setting, over all seeds, the best mean first."""
    groups: dict[RunSettings, list[RunResult]] = {}
    for result in results:
        key = dataclasses.replace(result.settings, seed=0)
        groups.setdefault(key, []).append(result)
    found = [_summary(group, metric) for group in groups.values()]
    return sorted(found, key=lambda summary: -summary.mean)


def _summary(group: Sequence[RunResult], metric: str) -> Summary:
    values = [result.metrics[metric] for result in group]
    tests = {
        split: _mean([result.test_metrics[split][metric] for result in group])
        for split in group[0].test_metrics
    }
    settings, collapsed = group[0].settings, sum(result.collapsed for result in group)
    return Summary(settings, len(group), *_mean(values), max(values), collapsed, tests)


def _mean(values: Sequence[float]) -> tuple[float, float]:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.fmean(values), deviation


def best_result(results: Sequence[RunResult], metric: str) -> RunResult:
    """The run with the best metric; the first one in case of a tie."""
    return max(results, key=lambda result: result.metrics[metric])


def result_lines(
    results: Sequence[RunResult],
    best: RunResult,
    metrics: dict[str, float],
    baselines: dict[str, dict[str, float]],
    metric: str,
) -> Iterator[str]:
    """Yields the results as lines: runs if there are several, baselines, the model.

    Args:
        results: the results of all runs.
        best: the run whose weights the model has.
        metrics: metrics of the model on dev.
        baselines: metrics of baselines on dev, by name.
        metric: the metric by which runs are compared.
    """
    for summary in summaries(results, metric) if len(results) > 1 else ():
        settings, collapsed = summary.settings, summary.num_collapsed
        yield (
            f"lr {settings.learning_rate:g}, batch {settings.batch_size}, "
            f"{settings.num_epochs:g} epochs: {metric} {summary.mean:.4f} ± "
            f"{summary.deviation:.4f}, best {summary.best:.4f}, {summary.num_runs} runs"
            + (f", {collapsed} collapsed to one class" if collapsed else "")
        )
        for split, (mean, deviation) in summary.tests.items():
            yield f"    {split}: {metric} {mean:.4f} ± {deviation:.4f}"
    found = {f"dev, {k}": v for k, v in {**baselines, "this model": metrics}.items()}
    found |= {f"{split}, this model": v for split, v in best.test_metrics.items()}
    for name, values in found.items():
        yield f"{name}:  {joined(values)}"
