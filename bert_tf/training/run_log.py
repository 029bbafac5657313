"""The log of a run: progress bar, messages, metrics.jsonl, TensorBoard."""

import contextlib
import dataclasses
import datetime
import json
import math
import posixpath
import sys
from typing import Any

import tensorflow as tf
import tqdm

from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import to_json
from data_pipelines.files.paths import exists

METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"
# Model FLOPs utilization in metrics.jsonl; the name is that of earlier versions, whose
# runs can be resumed and reported.
MFU = "matmul_share"

Record = dict[str, Any]

# The metrics that the line of a step shows beside the loss, by their short names.
_SHORT_NAMES = {
    "mlm_accuracy": "MLM",
    "sentence_accuracy": "sentence",
    "accuracy": "accuracy",
    "exact": "exact",
    "tokens": "tok",
}


@dataclasses.dataclass(frozen=True)
class Progress:
    """The means and rates of an interval.

    Attributes:
        step: steps done at its end.
        metrics: means over the interval: metrics of the objective, `loss`,
            `gradient_norm`, `learning_rate`.
        per_second: the work of the steps, per second.
    """

    step: int
    metrics: dict[str, float]
    per_second: dict[str, float]


class RunLog:
    """Shows and stores the metrics of a run, and shows its messages.

    Args:
        output_dir: the folder that gets `metrics.jsonl` and `tensorboard/`.
        num_train_steps: the end of the bar.
        peak_flops_per_second: the machine's rate at a matrix product, against which
            MFU (model FLOPs utilization) is measured; None if the progress has no
            "flops".
        heldout_name: the name of the evaluation data in messages.
        is_chief: whether this is the one of several workers that writes and prints.
    """

    def __init__(
        self,
        output_dir: str,
        num_train_steps: int,
        peak_flops_per_second: float | None = None,
        heldout_name: str = "held-out",
        is_chief: bool = True,
    ) -> None:
        self._is_chief = is_chief
        self._path = posixpath.join(output_dir, METRICS)
        logs = posixpath.join(output_dir, TENSORBOARD)
        # The summaries are TensorBoard's part of TensorFlow, which may be missing.
        has_summaries = hasattr(tf.summary, "scalar")
        self._writers = {
            split: tf.summary.create_file_writer(posixpath.join(logs, split))
            for split in ("train", "heldout")
            if is_chief and has_summaries
        }
        self._num_train_steps = num_train_steps
        self._peak = peak_flops_per_second
        self._heldout_name = heldout_name
        self._is_terminal = is_chief and sys.stderr.isatty()
        self._bar = tqdm.tqdm(
            total=num_train_steps,
            unit="step",
            disable=not self._is_terminal,
            dynamic_ncols=True,
        )
        if not has_summaries:
            self.say(
                "TensorBoard is not installed: no tensorboard/ is written. It is the "
                "extra tensorboard: pip install 'bert-tf[tensorboard]'."
            )

    def resume(self, step: int) -> None:
        """Removes what an earlier, killed run had logged after its checkpoint."""
        if not self._is_chief:
            return
        found = read_metrics(self._path)
        kept = [record for record in found if record["step"] <= step]
        lines = "".join(_line(record) for record in kept)
        write_file(self._path, lines.encode())
        self._bar.update(step - self._bar.n)
        self._bar.unpause()
        if step:
            self.say(f"Resuming from the checkpoint of step {step}.")
        elif found:
            self.say(
                f"There is no checkpoint of the run that reached step "
                f"{max(record['step'] for record in found)}: starting over."
            )

    def replan(self, num_train_steps: int) -> None:
        """Moves the end of the bar."""
        self._num_train_steps = self._bar.total = num_train_steps

    def progress(self, progress: Progress) -> None:
        """Logs the means of an interval."""
        rates, metrics = dict(progress.per_second), progress.metrics
        shares = {}
        if self._peak is not None:
            shares[MFU] = rates.pop("flops") / self._peak
        kept = {f"{name}_per_second": rate for name, rate in rates.items()}
        self._keep("train", progress.step, {**metrics, **kept, **shares})
        shown = {"loss": f"{metrics['loss']:.3f}"}
        for name, short in _SHORT_NAMES.items():
            if name in metrics:
                shown[short] = f"{metrics[name]:.1%}"
        for name, rate in rates.items():
            shown[f"{_SHORT_NAMES.get(name, name)}/s"] = f"{rate:,.0f}"
        if shares:
            shown["MFU"] = f"{shares[MFU]:.0%}"
        if self._is_terminal:
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update(progress.step - self._bar.n)
        else:
            # A bar in a log file is a mess of carriage returns.
            values = "  ".join(f"{name} {value}" for name, value in shown.items())
            self.say(f"step {progress.step}/{self._num_train_steps}  {values}")

    def evaluation(self, step: int, metrics: dict[str, float]) -> None:
        """Logs the metrics on held-out data."""
        self._keep("heldout", step, metrics)
        self.say(f"{self._heldout_name} at step {step}:  {joined(metrics)}")

    def unigram_baseline(self, metrics: dict[str, float]) -> None:
        """Shows the metrics to compare the held-out metrics with."""
        self.say(f"{self._heldout_name}, unigram baseline:  {joined(metrics)}")

    def say(self, message: str) -> None:
        """Prints a line to stderr, above the bar; does nothing if nobody reads it."""
        if not self._is_chief:
            return
        now = datetime.datetime.now().strftime("%H:%M:%S")
        # The reader may have gone. The run continues, and its files have everything.
        with contextlib.suppress(OSError):
            self._bar.write(f"{now}  {message}", file=sys.stderr)

    def close(self) -> None:
        """Ends the bar and the files."""
        self._bar.close()
        for writer in self._writers.values():
            writer.close()

    def _keep(self, split: str, step: int, metrics: dict[str, float]) -> None:
        if not self._is_chief:
            return
        time = datetime.datetime.now(datetime.UTC).isoformat()
        record = {"split": split, "step": step, "time": time, **metrics}
        with tf.io.gfile.GFile(self._path, "a") as file:
            file.write(_line(record))
        if writer := self._writers.get(split):
            with writer.as_default():
                for name, value in metrics.items():
                    tf.summary.scalar(name, value, step=step)
            writer.flush()


def joined(metrics: dict[str, float]) -> str:
    """Writes metrics as text, such as `accuracy 0.9300  f1 0.9100`."""
    return "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def _line(record: Record) -> str:
    """Returns a line of `metrics.jsonl`; NaN and infinity, not in JSON, become null.

    The means of an interval are NaN if each of its steps was skipped.
    """
    kept = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in record.items()
    }
    return to_json(kept) + "\n"


def read_metrics(path: str) -> list[Record]:
    """Reads the records of a `metrics.jsonl`; an empty list if there is no file.

    Each has `split` ("train" or "heldout"), `step`, `time` and the metrics, in which
    null is read as NaN. Incomplete lines, such as a kill leaves at the end, are left
    out.
    """
    if not exists(path):
        return []
    with tf.io.gfile.GFile(path, "rb") as file:
        found = map(_record_of, file.read().splitlines())
    return [record for record in found if record is not None]


def _record_of(line: bytes) -> Record | None:
    try:
        # Not `from_json`: earlier versions wrote NaN itself.
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or "step" not in record:
        return None
    return {
        name: math.nan if value is None else value for name, value in record.items()
    }
