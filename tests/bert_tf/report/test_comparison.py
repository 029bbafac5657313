import base64
import io
import re

import matplotlib.image

from bert_tf.comparison.outcome import Outcome, TaskScore, Trained
from bert_tf.report.comparison import comparison_report, text_table


def outcomes():
    return [
        Outcome("trigrams", Trained(3.2, "once"), {"cloze_accuracy": 0.25}),
        Outcome(
            "skip-gram",
            Trained(61, "5 epochs"),
            similarities={"SimLex <1>": 0.321},
            tasks={"glue/sst2": TaskScore("accuracy", 0.7, 0.01, 2)},
            num_weights=1000,
            num_bytes=4_000_000,
        ),
        Outcome(
            "BERT",
            Trained(60, "100 steps"),
            {"cloze_accuracy": 0.5, "perplexity": 30.0},
            tasks={"glue/sst2": TaskScore("accuracy", 0.8, 0.02, 2)},
            texts_per_second=120.4,
        ),
        Outcome("GPT", failures=["training: it ended with <3>"]),
    ]


def page(found):
    return comparison_report(
        "A <title>",
        facts={"text": "books"},
        outcomes=found,
        baselines={"glue/sst2": ("TF-IDF + linear", 0.774)},
        commands="python -m x --y=<z>\n",
    )


def pictures(html):
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [matplotlib.image.imread(io.BytesIO(base64.b64decode(p))) for p in found]


def test_has_figures_and_pictures():
    html = page(outcomes())
    assert "Failures</h2>" in html
    assert "80.0 ± 2.0" in html and "50.0%" in html and "0.321" in html
    assert "TF-IDF + linear 77.4" in html
    assert "it ended with &lt;3&gt;" in html and "--y=&lt;z&gt;" in html
    assert len(pictures(html)) == 3
    assert not re.search("https?:", html.replace("https://www.w3.org", ""))


def test_the_table_has_what_there_is():
    lines = text_table(outcomes()).splitlines()
    assert lines[0] == (
        "| system | trained | seconds | weights | MB | cloze | perplexity | texts/s "
        "| SimLex <1> | glue/sst2 |"
    )
    assert lines[2] == "| trigrams | once | 3 |  |  | 25.0% |  |  |  |  |"
    assert lines[5] == "| GPT |  |  |  |  |  |  |  |  |  |"


def test_of_nothing_yet():
    html = page([Outcome("BERT")])
    assert "png;base64" not in html and "Failures" not in html


def test_a_place_without_a_dataset_is_empty():
    """Tasks stand two beside each other."""
    picture = pictures(page(outcomes()))[-1][:, :, :3]
    left, right = picture[:, :500], picture[:, picture.shape[1] * 3 // 5 :]
    assert left.min() < 0.5 and right.min() == 1
