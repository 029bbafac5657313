import re
import subprocess
import sys

import pytest

from bert_tf import model_size
from bert_tf.models.config import preset
from bert_tf.models.families import FAMILIES


def rows_of(printed):
    """The cells of each line of the table, by the first one."""
    rows = [re.split("  +", line) for line in printed.splitlines()]
    return {name: cells for name, *cells in rows}


def assert_tiny(rows):
    # Google's uncased_L-2_H-128_A-2.
    assert rows["sum of the formulas"] == ["4,385,920"]
    assert rows["counted in the model"] == ["4,385,920"]


@pytest.mark.slow
def test_as_a_program():
    command = [sys.executable, "-m", "bert_tf.model_size", "--preset=tiny"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert_tiny(rows_of(run.stdout))


def test_tiny(capsys):
    model_size.main(model_size.ModelSizeOptions(preset="tiny"))
    assert_tiny(rows_of(capsys.readouterr().out))


def test_a_config_file(tmp_path, capsys):
    path = tmp_path / "bert_config.json"
    config = preset("tiny", 50, hidden_act="geglu", norm_position="pre")
    path.write_text(config.to_json())
    model_size.main(model_size.ModelSizeOptions(config_file=str(path)))
    rows = rows_of(capsys.readouterr().out)
    assert rows["final norm"] == ["2 H", "256"]
    feed_forward = 2 * (3 * 128 * 512 + 2 * 512 + 128)
    assert ["L (3 H I + 2 I + H)", f"{feed_forward:,}"] in rows.values()
    assert rows["sum of the formulas"] == rows["counted in the model"]


@pytest.mark.parametrize("family", FAMILIES)
def test_formulas_of_the_family(family, capsys):
    model_size.main(model_size.ModelSizeOptions(preset="tiny", family=family))
    rows = rows_of(capsys.readouterr().out)
    assert rows["sum of the formulas"] == rows["counted in the model"]


@pytest.mark.parametrize(
    "changes",
    [
        {
            "norm_position": "pre",
            "first_norm": False,
            "biases": False,
            "position_embeddings": "rotary",
            "hidden_act": "geglu",
            "type_vocab_size": 0,
            "pooler": False,
        },
        {
            "position_embeddings": "relative",
            "relative_buckets": 8,
            "convolution_width": 3,
        },
        {"position_embeddings": "relative", "max_relative_distance": 40},
        {"bias_buckets": 8, "type_vocab_size": 0},
    ],
    ids=["modernbert", "deberta", "deberta without buckets", "mpnet"],
)
def test_formulas_of_published_encoders(changes, tmp_path, capsys):
    path = tmp_path / "bert_config.json"
    path.write_text(preset("tiny", 50, **changes).to_json())
    model_size.main(model_size.ModelSizeOptions(config_file=str(path)))
    rows = rows_of(capsys.readouterr().out)
    assert rows["sum of the formulas"] == rows["counted in the model"]
