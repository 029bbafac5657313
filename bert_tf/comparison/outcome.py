"""The results of a system, as they are shown and written."""

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
        seconds: of the training; of static vectors and n-grams, of the whole program.
        amount: in words, such as "1,200 steps".
    """

    seconds: float
    amount: str


@dataclasses.dataclass(frozen=True)
class TaskScore:
    """The score of a fine-tuning on the development set.

    Attributes:
        metric: the dataset's first.
        mean, deviation, num_runs: over the seeds.
    """

    metric: str
    mean: float
    deviation: float
    num_runs: int


@dataclasses.dataclass
class Outcome:
    """All that is known of a system so far.

    Attributes:
        heldout: accuracy on masked pieces, perplexity.
        similarities: of static vectors, by the name of the list.
        tasks: by dataset.
        texts_per_second: that the model of the first dataset answers.
        failures: a line for each step that failed.
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
        """A step whose failure is noted, so that the others can go on."""
        print(f"{self.title}: {title}", flush=True)
        try:
            yield
        except (Failed, ValueError, OSError, tf.errors.OpError) as error:
            line = " ".join(str(error).split())[:500]
            print(f"{self.title}: {title} failed: {line}", file=sys.stderr)
            self.failures.append(f"{title}: {line}")
