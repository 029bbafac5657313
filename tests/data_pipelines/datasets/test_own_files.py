import pytest

from data_pipelines.datasets.catalog import ColumnOptions, from_files, read
from data_pipelines.datasets.examples import ChoiceExample, TextExample
from data_pipelines.datasets.own_files import files_of
from data_pipelines.datasets.read_log import ReadLog


def examples_of(dataset, split="train"):
    return list(read(dataset, split, None, ReadLog(split)))


def test_classification(write):
    train = write("train.csv", 'key,a,b,class\nk,"x, y",z,yes\n')
    test = write("test.jsonl", [{"a": "x", "b": "y"}])
    dataset = from_files(
        "classification",
        {"train": train, "test": test},
        ColumnOptions(
            first_column="a", second_column="b", label_column="class", id_column="key"
        ),
    )
    assert list(dataset.splits) == ["train", "test"]
    assert (dataset.name, dataset.labels) == ("files", None)
    # F1 tells what accuracy hides where one class is rare.
    assert dataset.metrics == ("accuracy", "f1")
    assert examples_of(dataset) == [TextExample("k", "x, y", "z", "yes")]
    assert examples_of(dataset, "test") == [TextExample("0", "x", "y", None)]
    with pytest.raises(ValueError, match=r"the split 'dev' of files. Expected one of"):
        examples_of(dataset, "dev")


def test_regression_without_header(write):
    path = write("a.tsv", "1.5\tx\n")
    dataset = from_files(
        "regression", {"dev": path}, ColumnOptions(column_names=("label", "text"))
    )
    assert examples_of(dataset, "dev") == [TextExample("0", "x", None, 1.5)]


def test_known_labels(write):
    path = write("a.tsv", "text\tlabel\nx\tmaybe\n")
    dataset = from_files("classification", {"train": path}, labels=["no", "yes"])
    assert dataset.labels == ("no", "yes")
    with pytest.raises(ValueError, match=r"the label 'maybe'. Expected one of \['no'"):
        examples_of(dataset)


def test_multiple_choice(write):
    path = write("a.csv", "text,question,a,b,label\nt,Why?,x,y,1\n")
    dataset = from_files(
        "multiple_choice",
        {"train": path},
        ColumnOptions(second_column="question", choice_columns=("a", "b")),
    )
    assert dataset.num_choices == 2
    assert examples_of(dataset) == [ChoiceExample("0", "t", ("Why? x", "Why? y"), 1)]


@pytest.mark.parametrize(
    ("content", "tags", "metrics"),
    [
        ("a O\n\nb I-PER\n", ("B-PER",), ("entity_f1", "accuracy")),
        ("a X\n\nb NOUN\n", ("NOUN",), ("accuracy",)),
    ],
)
def test_tags_of_entities_are_found(write, content, tags, metrics):
    dataset = from_files("token_tagging", {"train": write("a.txt", content)})
    assert dataset.metrics == metrics
    assert examples_of(dataset)[-1].tags == tags


def test_known_labels_decide_whether_tags_are_those_of_entities(write):
    path = write("a.txt", "a O\nb S-PER\n")
    others = from_files("token_tagging", {"train": path}, labels=("O", "S-PER", "X"))
    assert others.metrics == ("accuracy",)
    assert examples_of(others)[0].tags == ("O", "S-PER")
    labels = ("O", "B-PER", "I-PER")
    known = from_files("token_tagging", {"test": path}, labels=labels)
    assert known.metrics == ("entity_f1", "accuracy")
    assert examples_of(known, "test")[0].tags == ("O", "B-PER")


@pytest.mark.parametrize(("column", "tags"), [(None, ("NOUN",)), (4, ("NN",))])
@pytest.mark.parametrize("name", ["a.conllu", "a.conllu.gz"])
def test_conllu(write, name, column, tags):
    path = write(name, "1\ta\ta\tNOUN\tNN\t_\t0\troot\t_\t_\n")
    dataset = from_files(
        "token_tagging", {"train": path}, ColumnOptions(tag_column=column)
    )
    assert examples_of(dataset)[0].tags == tags


def test_questions(write):
    question = {"id": "q", "question": "Who?", "answers": []}
    paragraph = {"context": "They.", "qas": [question]}
    path = write("a.json", [{"data": [{"paragraphs": [paragraph]}]}])
    dataset = from_files("span_qa", {"test": path})
    (example,) = examples_of(dataset, "test")
    assert (example.id, example.question, example.title) == ("q", "Who?", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tagging", {"train": "a"}), r"kind='tagging'. Expected one of"),
        (
            ("regression", {}),
            r"Received no files. Expected at least one: set train_file",
        ),
        (
            ("multiple_choice", {"train": "a"}, ColumnOptions(choice_columns=("a",))),
            r"choice_columns=\['a'\]. Expected the columns",
        ),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        from_files(*arguments)


def test_no_such_file(tmp_path):
    path = str(tmp_path / "a.csv")
    with pytest.raises(FileNotFoundError, match=r"No file '.*a\.csv'"):
        examples_of(from_files("classification", {"train": path}))
    with pytest.raises(FileNotFoundError, match=r"No file '.*a\.csv'"):
        from_files("token_tagging", {"train": path})


# --- The files that are read.


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a.csv", ["a.csv"]),
        # Named without the ending.
        ("b.tsv", ["b.tsv.gz"]),
        ("none.csv", []),
        ("text.txt", ["text.txt", "text.ann"]),
        ("text.ann", ["text.ann", "text.txt"]),
        ("folder", [f"folder/{n}" for n in ("1.ann", "1.txt", "2.ann", "2.txt")]),
        ("empty", []),
    ],
)
def test_files_of_a_path(write, tmp_path, given, expected):
    for name in ("a.csv", "b.tsv.gz", "text.txt", "text.ann", "other.txt"):
        write(name, "x\n")
    for name in ("1.ann", "1.txt", "2.ann", "2.txt", "notes.md"):
        write(f"folder/{name}", "x\n")
    (tmp_path / "empty").mkdir()
    found = files_of(str(tmp_path / given))
    assert found == [str(tmp_path / name) for name in expected]
