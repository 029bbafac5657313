import subprocess
import sys

import pytest

from bert_tf import model_size
from bert_tf.models.config import preset
from bert_tf.models.families import FAMILIES


@pytest.mark.slow
def test_as_a_program():
    command = [sys.executable, "-m", "bert_tf.model_size", "--preset=tiny"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.split("  ") for line in run.stdout.splitlines()]
    values = {line[0].strip(): line[-1].strip() for line in lines}
    # Google's uncased_L-2_H-128_A-2.
    assert values["sum of the formulas"] == "4,385,920"
    assert values["counted in the model"] == "4,385,920"


def test_a_config_file(tmp_path, capsys):
    path = tmp_path / "bert_config.json"
    config = preset("tiny", 50, hidden_act="geglu", norm_position="pre")
    path.write_text(config.to_json())
    model_size.main(model_size.ModelSizeOptions(config_file=str(path)))
    printed = capsys.readouterr().out
    assert "final norm" in printed
    assert "L (3 H I + 2 I + H)" in printed


@pytest.mark.parametrize("family", FAMILIES)
def test_formulas_of_the_family(family, capsys):
    model_size.main(model_size.ModelSizeOptions(preset="tiny", family=family))
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    values = {line[0].strip(): line[-1].strip() for line in lines}
    assert values["sum of the formulas"] == values["counted in the model"]
