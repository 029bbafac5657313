import warnings

import numpy as np
import pytest

from bert_tf.report.classification import confusion
from bert_tf.report.page import TEMPLATES
from bert_tf.report.plots import confusion_figure, names_for_picture, series


def test_series():
    records = [
        {"split": "train", "step": 1, "loss": 2.0},
        {"split": "heldout", "step": 1, "f1": 0.5},
        {"split": "train", "step": 2, "loss": 1.0},
    ]
    steps, values = series(records, "train", "loss")
    np.testing.assert_array_equal(steps, [1, 2])
    np.testing.assert_array_equal(values, [2.0, 1.0])
    assert len(series(records, "train", "f1")[0]) == 0


def test_names_that_the_font_does_not_have_become_numbers():
    assert names_for_picture(["naïve", "Ωmega"]) == ["naïve", "Ωmega"]
    assert names_for_picture(["sports", "体育"]) == ["1", "2"]
    assert names_for_picture(["x" * 50]) == ["x" * 21 + "…"]


@pytest.mark.parametrize("size", [2, 9, 20, 50])
def test_confusion_figure(size):
    counts = np.eye(size, dtype=np.int64) * 7
    counts[0, 1] = 1234
    figure = confusion_figure(counts, [f"${i}_a$" for i in range(size)])
    axis = figure.axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()][:2] == ["$0_a$", "$1_a$"]
    written = {text.get_text() for text in axis.texts}
    assert written == ({"7", "1234"} if size <= 24 else set())
    # It is no wider than the page.
    assert max(figure.get_size_inches()) < 10


def shown(*args, **kwargs):
    template = TEMPLATES.get_template("confusion.html")
    return template.render(confusion=confusion(*args, **kwargs))


def test_confusion_names_what_is_confused():
    counts = np.array([[8, 2, 0], [0, 5, 5], [0, 0, 3]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        html = shown(counts, ("体育", "<b>", "c"))
    assert "1 = 体育, 2 = &lt;b&gt;, 3 = c" in html
    first = html.index("<td>&lt;b&gt;</td><td>c</td>")
    assert '<td class="number">5</td><td class="number">50.0%</td>' in html
    assert first < html.index("<td>体育</td><td>&lt;b&gt;</td>")


def test_many_classes_are_cut_to_those_that_are_confused():
    counts = np.eye(80, dtype=np.int64) * 9
    counts[70, 3] = 5
    names = tuple(f"class {i}" for i in range(80))
    html = shown(counts, names, most=10)
    assert "The 10 most confused of 80." in html
    assert "<td>class 70</td><td>class 3</td>" in html


def test_without_mistakes():
    html = shown(np.eye(3, dtype=np.int64), ("a", "b", "c"))
    assert "There are no confusions." in html
