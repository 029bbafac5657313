import pytest

from data_pipelines.files.json_files import read_json, read_json_if_any, write_json


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
    with pytest.raises(ValueError, match="holds a list"):
        read_json(str(path))
    with pytest.raises(FileNotFoundError, match="No file"):
        read_json(str(tmp_path / "none"))
