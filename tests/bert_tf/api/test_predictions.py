import numpy as np
import pytest

from bert_tf.api.predictions import (
    ChoicePrediction,
    ClassPrediction,
    CorrectionPrediction,
    Entity,
    Predictions,
    ScorePrediction,
    SpanPrediction,
    TagPrediction,
)

PERSON = Entity("PER", "Ada <L>", 0, 2)
CASES = {
    "class": (
        ClassPrediction("b<", 0.75, {"a": 0.25, "b<": 0.75}, ("x", "y&z")),
        "ClassPrediction(label='b<', probability=0.75, "
        "probabilities={'a': 0.25, 'b<': 0.75})",
        ["<p>x</p><p>y&amp;z</p>", "b&lt;", "75.0%"],
        np.array([[0.25, 0.75]], np.float32),
    ),
    "score": (
        ScorePrediction(2.5, "x"),
        "ScorePrediction(score=2.5)",
        ["<p>x</p>", "2.500"],
        np.array([2.5], np.float32),
    ),
    "tags": (
        TagPrediction(("Ada", "<L>", "ran"), ("B-PER", "I-PER", "O"), (PERSON,)),
        "TagPrediction(words=('Ada', '<L>', 'ran'), tags=('B-PER', 'I-PER', 'O'), "
        "entities=(Entity(type='PER', text='Ada <L>', start=0, end=2),))",
        ["<mark>Ada &lt;L&gt; <small><b>PER</b></small></mark> ran"],
        [("B-PER", "I-PER", "O")],
    ),
    "labels": (
        TagPrediction(("We", "ran"), ("PRON", "O")),
        "TagPrediction(words=('We', 'ran'), tags=('PRON', 'O'), entities=())",
        ["<mark>We <small><b>PRON</b></small></mark> ran"],
        [("PRON", "O")],
    ),
    "span": (
        SpanPrediction("b", 2, 3, 0.5, -1.0, (("b", 0.5), ("c", 0.25)), "a b c"),
        "SpanPrediction(text='b', start=2, end=3, probability=0.5, "
        "no_answer_score=-1.0)",
        ["<p>a <mark>b</mark> c</p>", "25.0%"],
        ["b"],
    ),
    "no answer": (
        SpanPrediction("", -1, -1, None, 3.0, (), "a b c"),
        "SpanPrediction(text='', start=-1, end=-1, probability=None, "
        "no_answer_score=3.0)",
        ["<p>a b c</p>", "no answer"],
        [""],
    ),
    "choice": (
        ChoicePrediction(1, "b", (0.25, 0.75), ("a", "b")),
        "ChoicePrediction(choice=1, text='b', probabilities=(0.25, 0.75))",
        [">a<", ">b<", "75.0%"],
        np.array([[0.25, 0.75]], np.float32),
    ),
    "correction": (
        CorrectionPrediction(
            "He goes <",
            ({"start": 3, "end": 5, "original": "go", "replacement": "goes"},),
            "He go <",
        ),
        "CorrectionPrediction(corrected='He goes <', edits=({'start': 3, 'end': 5, "
        "'original': 'go', 'replacement': 'goes'},))",
        ["<p>He <del>go</del><ins>goes</ins> &lt;</p>"],
        ["He goes <"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_prediction_shows_itself(name):
    prediction, text, parts, values = CASES[name]
    assert repr(prediction) == text
    found = Predictions([prediction])
    for part in parts:
        assert part in prediction._repr_html_()
        assert part in found._repr_html_()
    array = found.as_numpy()
    assert array.shape[0] == 1
    if isinstance(values, np.ndarray):
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, values)
    else:
        assert array.dtype == object
        assert array.tolist() == values


@pytest.mark.parametrize("name", CASES)
def test_a_blank_input_has_its_place(name):
    found = Predictions([None, CASES[name][0], None])
    array = found.as_numpy()
    assert len(array) == 3
    if array.dtype == np.float32:
        assert np.isnan(array[[0, 2]]).all()
        assert np.isfinite(array[1]).all()
    else:
        assert array[0] is array[2] is None
    assert found._repr_html_().count("<hr>") == 2
