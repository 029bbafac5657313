import numpy as np
import pytest

from bert_tf.tasks.iterative_refinement import NUM_ITERATIONS, with_iterations
from data_pipelines.datasets.examples import CorrectionExample
from data_pipelines.finetuning.correction import CorrectionEncoding
from tests.data_pipelines.finetuning.texts import TOKENIZER

ENCODING = CorrectionEncoding(TOKENIZER, 12, 5)


def example(text, corrected):
    return CorrectionExample(text, text, (corrected,))


def texts(examples):
    return [found.text for found in examples]


def test_what_an_iteration_leaves(eager):
    examples = [
        example("a c", "a b c"),
        example("a d", "a b c d"),
        example("a", "a"),
        example("A x.", "a b c y."),
        # Nothing can be written that is unknown.
        example("a b", "a ♥"),
    ]
    found = with_iterations(ENCODING, examples)
    assert found[: len(examples)] == examples
    left = found[len(examples) :]
    assert texts(left) == ["a b d", "A b.", "A b c."]
    assert [e.corrected for e in left] == [("a b c d",), *[("a b c y.",)] * 2]


@pytest.mark.slow
def test_iterations_end_where_they_should():
    """The edits that are made of tags lead to the pieces that they were made for."""
    generator = np.random.default_rng(0)
    letters = list("abcde.,")

    def words(most):
        count = generator.integers(1, most)
        sizes = generator.choice([1, 1, 2, 3], count)
        return " ".join("".join(generator.choice(letters, n)) for n in sizes)

    examples = [example(words(9), words(12)) for _ in range(40)]
    enough = with_iterations(ENCODING, examples, num_iterations=30)
    assert enough == with_iterations(ENCODING, examples, num_iterations=31)
    few = with_iterations(ENCODING, examples)
    assert len(examples) < len(few) <= NUM_ITERATIONS * len(examples)
    assert few == enough[: len(few)]
