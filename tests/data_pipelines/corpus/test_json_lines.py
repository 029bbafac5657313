"""Objects whose text is null, missing or under another name."""

import json
from collections import Counter

import pytest

from data_pipelines.corpus.documents import read_documents


def read(folder, *rows):
    path = folder / "a.jsonl"
    path.write_text(
        "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    )
    counts = Counter()
    return list(read_documents(str(path), counts=counts)), counts["missing_texts"]


ONE = {"text": "It rained."}


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        ([ONE, {"text": None}], 1),
        ([{"text": None}, ONE], 1),
        ([ONE, {"title": "Rain"}, {}], 2),
        ([{"title": "Rain"}, ONE], 1),
        ([ONE, '{"text": NaN}'], 1),
        ([{"text": ""}, ONE, {"text": " "}], 0),
        ([*[ONE], *[{"text": None}] * 1500], 1500),
    ],
)
def test_missing_texts_are_counted_and_told(tmp_path, caplog, rows, missing):
    assert read(tmp_path, *rows) == (["It rained."], missing)
    said = f"skipped {missing} objects whose 'text' is null or missing" in caplog.text
    assert said == bool(missing)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"content": "It rained.", "id": 1}],
            r"fields \['content', 'id'\].*text: .content",
        ),
        ([{"raw_content": "It rained.", "url": "a"}] * 3, r"text: .raw_content"),
        (
            [{"text": None}] * 2,
            r"line 1: no string 'text' in the fields \['text'\], as in all obj",
        ),
        ([{"id": 5}, {}], r"line 1: no string 'text' in the fields \['id'\]"),
        ([{"a": "b"}] * 1000 + [ONE], "as in all objects of the first 1000"),
        ([ONE, {"text": 5}], "line 2: 'text' is not a string but int: 5"),
        ([ONE, {"text": ["It", "rained"]}], r"line 2: .* not a string but list: \["),
        ([ONE, {"text": {"0": "It"}}], "line 2: 'text' is not a string but dict"),
        ([ONE, "5"], "line 2: received 5"),
        ([ONE, "null"], "line 2: received null"),
    ],
)
def test_files_without_texts_are_refused_and_their_fields_named(
    tmp_path, rows, message
):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, *rows)
