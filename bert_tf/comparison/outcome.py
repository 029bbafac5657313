"""Results of a system, as they are shown and written."""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator

import tensorflow as tf

from bert_tf.comparison.programs import Failed


@dataclasses.dataclass(frozen=True)
class Trained:
    """The amount of training.

    Attributes:
        seconds: the time of the whole training command.
        amount: in words, such as "1,200 steps".
    """

    seconds: float
    amount: str


@dataclasses.dataclass(frozen=True)
class TaskScore:
    """The score of a fine-tuning on the development set.

    Attributes:
        metric: the first metric of the dataset.
        mean, deviation, num_runs: mean, standard deviation and number of the runs.
    """

    metric: str
    mean: float
    deviation: float
    num_runs: int


@dataclasses.dataclass
class Outcome:
    """Everything that is known of a system so far.

    Attributes:
        title: the name of the system in the report.
        trained: how much it was trained; None: it is not trained yet.
        heldout: accuracy on masked pieces, and perplexity.
        similarities: scores of static vectors, by the name of the list of words.
        tasks: scores by dataset.
        num_weights, num_bytes: the size of the model.
        texts_per_second: the speed of the model fine-tuned on the first dataset.
        failures: one line for each step that failed.
    """

    title: str
    trained: Trained | None = None
    heldout: dict[str, float] = dataclasses.field(default_factory=dict)
    similarities: dict[str, float] = dataclasses.field(default_factory=dict)
    tasks: dict[str, TaskScore] = dataclasses.field(default_factory=dict)
    num_weights: int | None = None
    num_bytes: int | None = None
    texts_per_second: float | None = None
    failures: list[str] = dataclasses.field(default_factory=list)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Notes the failure of a step, so that the other steps can continue."""
        print(f"{self.title}: {title}", flush=True)
        try:
            yield
        except (Failed, ValueError, OSError, tf.errors.OpError) as error:
            line = " ".join(str(error).split())[:500]
            print(f"{self.title}: {title} failed: {line}", file=sys.stderr)
            self.failures.append(f"{title}: {line}")
