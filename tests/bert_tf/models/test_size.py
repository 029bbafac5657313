import pytest

from bert_tf.models.config import preset
from bert_tf.models.size import parameter_formulas, pretraining_step_flops


def test_operations_of_base():
    # Kaplan et al. 2020, section 2.1: 6 operations for each weight in a product and
    # token, and attention on top: 12 L H sequence.
    config = preset("base", 30522)
    weights = 12 * 12 * 768**2
    expected = 128 * (6 * weights + 12 * 12 * 768 * 128)
    # Prediction of 20 tokens: the head's square matrix and the table; the pooler.
    expected += 20 * 6 * (768**2 + 768 * 30522) + 6 * 768**2
    assert pretraining_step_flops(config, 8, 128, 20) == pytest.approx(8 * expected)


# Devlin et al. call them 110M and 340M; the exact numbers are those of Google's
# checkpoints.
@pytest.mark.parametrize(
    ("name", "count"), [("base", 109_482_240), ("large", 335_141_888)]
)
def test_parameters_by_formula(name, count):
    formulas = parameter_formulas(preset(name, 30522))
    assert sum(value for _, value in formulas.values()) == count
