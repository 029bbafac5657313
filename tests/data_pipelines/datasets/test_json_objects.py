import pytest

from data_pipelines.datasets.json_objects import read_objects


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.json.gz"])
def test_an_object_a_line(write, name):
    path = write(name, '\ufeff{"text": "a\\n", "n": 1}\r\n\n{"text": "\\ud800b"}')
    assert list(read_objects(path)) == [
        ("line 1", {"text": "a\n", "n": 1}),
        ("line 3", {"text": "?b"}),
    ]


@pytest.mark.parametrize(
    "content",
    [
        '[{"a": [1]}, {"b": {"c": null}}]',
        '[\n {"a": [1]},\n {"b": {"c": null}}\n]',
        '\n \n[{"a": [1]},\n\n {"b": {"c": null}}]\n\n',
        '{"data": [{"a": [1]}, {"b": {"c": null}}]}',
        '{\n "version": "1.0",\n "data": [\n{"a": [1]}, {"b": {"c": null}}\n]}',
        '{\n"a": [\n1]}\n{\n"b":\n {"c": null}}',
    ],
)
def test_an_array_of_objects(write, content):
    assert list(read_objects(write("a.json", content))) == [
        ("object 1", {"a": [1]}),
        ("object 2", {"b": {"c": None}}),
    ]


@pytest.mark.parametrize(
    "content", ['{"a": 1, "b": ["x"]}', '{\n "a": 1,\n "b": ["x"]\n}\n']
)
def test_one_object(write, content):
    path = write("a.json", content)
    assert list(read_objects(path)) == [("line 1", {"a": 1, "b": ["x"]})]


def test_one_line_of_json_lines_is_a_row(write):
    row = {"data": [{"a": {"0": 1}}]}
    assert list(read_objects(write("a.jsonl", [row]))) == [("line 1", row)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"a\.json is empty"),
        ('{"text": "a"}\n{', r"line 2: not JSON .*Expected one object per line"),
        ('{"text": "a"}\n["a"]', r"line 2: received a list. Expected an object"),
        ('{"text": "a"}\n"a"', r"line 2: received a str. Expected an object"),
        ('[{"text": "a"}, "a"]', r"object 2: received a str. Expected an object"),
        ('[{"text": "a"}', r"a\.json, line 1: not JSON"),
        ('[\n{"text": "a"},\n\n{"text" "b"}]', r"a\.json, line 4: not JSON"),
        ('"a"', r"line 1: received a str. Expected an object"),
        ('["a"]\n["b"]', r"line 1: received a list. Expected an object"),
        ('[["a", 1]]', r"object 1: received a list. Expected an object"),
        ('{"text": "a"},\n{"text": "b"}', r"line 1: not JSON \(Extra data"),
        # pandas: to_json() and its orient="split" and "index".
        (
            '{"text": {"0": "a"}, "label": {"0": 1}}',
            r"of \['text', 'label'\], .*records",
        ),
        (
            '{"columns": ["a"], "index": [0], "data": [["x"]]}',
            r"as pandas .*by columns",
        ),
        ('{"0": {"a": 1, "b": 2}, "1": {"a": 3, "b": 4}}', r"as pandas .*by columns"),
        ('{"a": 1, "b": 2, "a": 3}', r"line 1: .*the keys \['a'\] more than once"),
        ('{"a": ' + "[" * 100_000, r"line 1: not JSON"),
    ],
)
def test_files_that_hold_something_else(write, content, message):
    with pytest.raises(ValueError, match=message):
        list(read_objects(write("a.json", content)))


def test_lines_are_read_one_at_a_time(write):
    objects = read_objects(write("a.jsonl", '{"a": 1}\n{'))
    assert next(objects) == ("line 1", {"a": 1})
    with pytest.raises(ValueError, match="line 2"):
        next(objects)
