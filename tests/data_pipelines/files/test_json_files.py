import json
import math

import pytest

from data_pipelines.files import json_files
from data_pipelines.files.json_files import read_json, read_json_if_any, write_json


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (math.nan, "Received nan as the value"),
        ({"a": {"f1": math.inf}}, r"Received inf as a\.f1\. Expected finite numbers"),
        ({"a": [1.0, (2, -math.inf)]}, r"Received -inf as a\[1\]\[1\]"),
    ],
    ids=["value", "object", "list"],
)
def test_numbers_that_are_none_are_not_written(tmp_path, values, message):
    path = tmp_path / "a.json"
    with pytest.raises(ValueError, match=message):
        json_files.to_json(values)
    with pytest.raises(ValueError, match=rf"a\.json: {message}"):
        json_files.write_json(str(path), values)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
def test_numbers_that_are_none_are_not_read(tmp_path, number):
    path = tmp_path / "model.json"
    path.write_text(f'{{"threshold": [{number}]}}')
    with pytest.raises(ValueError, match=rf"model\.json is not JSON \(.*{number}"):
        json_files.read_json(str(path))


def test_what_is_written_is_read(tmp_path):
    path = str(tmp_path / "a.json")
    values = {"ä": [1, 2.5e-300, None, True, "NaN"], "b": 10**400}
    json_files.write_json(path, values)
    assert json_files.read_json(path) == values


def test_other_faults_keep_their_words():
    values = []
    values.append(values)
    with pytest.raises((ValueError, RecursionError)):
        json_files.to_json(values)
    assert json_files.to_json({"a": "é"}, ensure_ascii=False) == json.dumps(
        {"a": "é"}, ensure_ascii=False
    )


def test_round_trip(tmp_path):
    path = str(tmp_path / "values.json")
    assert read_json_if_any(path) == {}
    write_json(path, {"a": [1, "\u00e9"]})
    assert read_json(path) == read_json_if_any(path) == {"a": [1, "\u00e9"]}


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\0\0\0\0", b"\xff\xfe\xfd"])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "values.json"
    path.write_bytes(content)
    for read in (read_json, read_json_if_any):
        with pytest.raises(ValueError, match=rf"{path} is not JSON .* restore it"):
            read(str(path))


def test_another_type(tmp_path):
    path = tmp_path / "values.json"
    path.write_text("[1]")
    with pytest.raises(ValueError, match="contains a list"):
        read_json(str(path))
    with pytest.raises(FileNotFoundError, match="No file"):
        read_json(str(tmp_path / "none"))
