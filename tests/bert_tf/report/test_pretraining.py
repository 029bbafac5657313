import base64
import re

import numpy as np
import pytest

from bert_tf.report import pretraining as report
from tests.bert_tf.small_models import VOCABULARY, random_batch, small_pretrainer


def records(sentence_task=True):
    names = ["mlm_loss", "mlm_accuracy"]
    names += ["sentence_loss", "sentence_accuracy"] if sentence_task else []
    rows = []
    for step in range(10, 310, 10):
        values = dict.fromkeys(names, 1 / step)
        rates = {"learning_rate": 1e-3, "tokens_per_second": 1000.0}
        rows.append({"split": "train", "step": step, "time": "", **values, **rates})
        if step % 100 == 0:
            rows.append({"split": "heldout", "step": step, "time": "", **values})
    return rows


def page(**changes):
    baseline = {"mlm_loss": 7.25, "mlm_accuracy": 0.05}
    baseline |= {"sentence_loss": 0.6931, "sentence_accuracy": 0.5}
    cloze = [report.ClozeGuess("a <b>", "c", "cat", (("cat", 0.75), ("dog", 0.25)))]
    values = {
        "facts": {"model": "2 layers"},
        "records": records(),
        "baseline": baseline,
        "cloze": cloze,
        "options": {"seed": 0, "output_dir": "<x>"},
    }
    return report.pretraining_report("A <title>", **{**values, **changes})


def test_has_figures_pictures_and_guesses():
    html = page()
    assert "On held-out documents</h2>" in html and "sentence task, accuracy" in html
    assert '<td class="number"><b>0.003</b></td><td class="number">7.250</td>' in html
    assert '<span class="right">cat</span> <span class="pale">75%</span>' in html
    assert "a &lt;b&gt; <mark>cat</mark> c" in html
    assert "<h1>A &lt;title&gt;</h1>" in html
    assert "&lt;x&gt;" in html
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert base64.b64decode(picture.group(1)).startswith(b"\x89PNG")
    # Everything is inside: nothing is loaded from anywhere.
    # With the colon, which no picture in base64 has.
    assert not re.search("https?:", html.replace("https://www.w3.org", ""))


def test_without_held_out_documents():
    training = [record for record in records() if record["split"] == "train"]
    html = page(records=training, baseline=None, cloze=[])
    assert "On held-out documents" not in html


def test_without_a_sentence_task():
    baseline = {"mlm_loss": 7.25, "mlm_accuracy": 0.05}
    html = page(records=records(sentence_task=False), baseline=baseline)
    assert "sentence task, accuracy" not in html


def test_curves_show_the_data():
    figure = report.curves(records(), {"mlm_loss": 7.25})
    first = figure.axes[0]
    assert first.get_title() == "masked tokens, loss (nats)"
    labels = [line.get_label() for line in first.lines]
    assert labels == ["training", "training, mean", "held out", "unigram baseline"]
    heldout = first.lines[2]
    np.testing.assert_array_equal(heldout.get_xdata(), [100, 200, 300])
    np.testing.assert_allclose(heldout.get_ydata(), [1 / 100, 1 / 200, 1 / 300])


def test_cloze_guesses():
    batch = {name: np.array(value) for name, value in random_batch().items()}
    batch["mlm_weights"][1] = 0
    model = small_pretrainer()
    guesses = report.cloze_guesses(model, batch, VOCABULARY, num_guesses=3, num_rows=3)
    assert len(guesses) == 2  # The second row has nothing masked.
    logits = np.asarray(model(batch)["mlm"])
    place = 3 % int(batch["mlm_weights"][0].sum())
    probabilities = np.exp(logits[0, place]) / np.exp(logits[0, place]).sum()
    best = np.argsort(-probabilities)[:3]
    assert [token for token, _ in guesses[0].guesses] == [
        VOCABULARY.tokens[i] for i in best
    ]
    assert guesses[0].guesses[0][1] == pytest.approx(probabilities[best[0]], rel=1e-4)
    assert guesses[0].answer == VOCABULARY.tokens[batch["mlm_ids"][0, place]]


def test_joined_pieces():
    ids = [VOCABULARY.id_of(token) for token in ("cat", "##s", "sat", ".")]
    assert report.joined_pieces(ids, VOCABULARY) == "cats sat ."
