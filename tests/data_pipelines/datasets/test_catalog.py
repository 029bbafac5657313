from typing import get_args

import pytest

from data_pipelines.datasets import catalog
from data_pipelines.datasets.catalog import DATASETS, find, from_files
from data_pipelines.datasets.examples import Answer, Question, TaggedSentence
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import TaskKind, role_of

METRICS = {
    *("accuracy", "f1", "matthews", "pearson", "spearman", "entity_f1", "exact"),
    *("edit_f05", "correction_f1", "detection_f1", "false_positive_rate"),
}


def read(name, split, data_dir):
    log = ReadLog(split)
    examples = list(catalog.read(find(name), split, data_dir, log))
    assert log.used == len(examples)
    return examples, log


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_is_complete(name):
    dataset = find(name)
    assert dataset.name == name
    assert dataset.kind in get_args(TaskKind)
    assert set(dataset.metrics) <= METRICS
    wanted = {"glue/ax": {"test"}, "jfleg": {"dev", "test"}}
    assert {role_of(split) for split in dataset.splits} >= wanted.get(
        name, {"train", "dev"}
    )
    has_labels = dataset.kind in ("classification", "token_tagging")
    assert (dataset.labels is not None) == has_labels
    assert (dataset.num_choices is not None) == (dataset.kind == "multiple_choice")
    assert dataset.folders


@pytest.mark.parametrize(
    ("name", "near"),
    [("glue/sst-2", "'glue/sst2'"), ("SQuAD/v1", "'squad/v1.1'"), ("coda", "'codah'")],
)
def test_unknown_names(name, near):
    with pytest.raises(
        ValueError, match=rf"the dataset '{name}'. Expected one of .*perhaps .*{near}"
    ):
        find(name)
    with pytest.raises(ValueError, match=r"Expected one of \[.*\], or files of your"):
        find("zzzzzzzz")


def test_columns_of_rows(write):
    path = write("a.tsv", "text\tlabel\tmore\na\tx\t1\n\ty\t2\nb\ty\t3\n")
    dataset = from_files("classification", {"test": path})
    pairs = list(catalog.read_with_columns(dataset, "test", None, ReadLog("test")))
    assert [columns["more"] for columns, _ in pairs] == ["1", "3"]
    assert [example.first for _, example in pairs] == ["a", "b"]
    path = write("a.txt", "a O\n")
    dataset = from_files("token_tagging", {"test": path})
    ((columns, sentence),) = catalog.read_with_columns(
        dataset, "test", None, ReadLog("test")
    )
    assert (columns, sentence.words) == ({}, ("a",))


# --- TFDS.


@pytest.mark.parametrize("name", ["glue/sst2", "glue/stsb", "glue/mnli", "cosmos_qa"])
def test_made_up_data_of_tfds(name):
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=3):
        examples, log = read(name, "train", None)
        pairs = catalog.read_with_columns(find(name), "train", None, ReadLog("train"))
        assert [example for _, example in pairs] == examples
    assert (len(examples), log.read) == (3, 3)


@pytest.mark.parametrize("name", ["squad/v1.1", "squad/v2.0"])
@pytest.mark.parametrize("split", ["train", "dev"])
def test_questions_of_tfds(mock_tfds, name, split):
    example = {
        "id": "q",
        "title": "Rain",
        "context": "Im März.",
        "question": "Wann?",
        "answers": {"text": ["März", "Mai"], "answer_start": [3, 3]},
    }
    is_two = name == "squad/v2.0"
    nothing: dict = {"text": [], "answer_start": []}
    more = {"plausible_answers": nothing, "is_impossible": False} if is_two else {}
    impossible = {**example, **more, "id": "i", "answers": nothing}
    impossible |= {"is_impossible": True} if is_two else {}
    with mock_tfds({**example, **more}, impossible):
        examples, log = read(name, split, None)
    answers = (Answer("März", 3), Answer("Mai", -1))
    expected = [Question("q", "Rain", "Wann?", "Im März.", answers, False)]
    if is_two:
        expected.append(Question("i", "Rain", "Wann?", "Im März.", (), True))
    assert examples == expected
    assert log.skips == ({} if is_two else {"no answer": 1})
    assert log.warnings == {"answer not found in the context": 1}


@pytest.mark.parametrize(
    ("name", "tags"),
    [("conll2003", ("B-ORG", "O")), ("conll2003/pos", ("NNP", "VBZ"))],
)
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_tags_of_tfds(mock_tfds, name, tags, split):
    sentence = {
        "tokens": ["EU", "rejects"],
        "pos": ["NNP", "VBZ"],
        "chunks": ["B-NP", "B-VP"],
        "ner": ["I-ORG", "O"],
    }
    empty: dict = {"tokens": [], "pos": [], "chunks": [], "ner": []}
    with mock_tfds(sentence, empty, sentence):
        examples, log = read(name, split, None)
    assert examples == [
        TaggedSentence("0", ("EU", "rejects"), tags, 0),
        TaggedSentence("2", ("EU", "rejects"), tags, 2),
    ]
    assert log.skips == {"no words": 1}


def test_words_of_several_tokens_in_tfds(mock_tfds):
    words = ["don't", "do", "n't"]
    others = ("lemmas", "xpos", "feats", "head", "deprel", "deps", "misc")
    sentence = dict.fromkeys(("tokens", *others), words)
    sentence |= {"idx": "x-1", "upos": ["_", "AUX", "PART"], "text": "don't"}
    with mock_tfds(sentence):
        examples, _ = read("ud_ewt", "dev", None)
    assert examples == [TaggedSentence("x-1", ("do", "n't"), ("AUX", "PART"), 0)]


def test_tags_are_numbered_as_in_tfds():
    import tensorflow_datasets as tfds

    features = tfds.builder("conll2003").info.features
    assert find("conll2003").labels == tuple(features["ner"].feature.names)
    assert find("conll2003/pos").labels == tuple(features["pos"].feature.names)
    features = tfds.builder("universal_dependencies/en_ewt").info.features
    assert (*find("ud_ewt").labels, "_") == tuple(features["upos"].feature.names)


# --- Real data.


@pytest.mark.parametrize(
    ("name", "split", "count"),
    [
        ("glue/cola", "train", 8_551),
        ("glue/cola", "dev", 1_043),
        ("glue/sst2", "train", 67_349),
        ("glue/sst2", "dev", 872),
        ("glue/mrpc", "train", 4_076),
        ("glue/mrpc", "test", 1_725),
        ("glue/stsb", "train", 5_749),
        ("glue/stsb", "dev", 1_500),
        ("glue/rte", "train", 2_490),
        ("glue/rte", "dev", 277),
        ("conll2003", "train", 14_041),
        ("conll2003", "dev", 3_250),
        ("conll2003", "test", 3_453),
        ("conll2003/pos", "train", 14_041),
        ("ud_ewt", "train", 12_544),
        ("ud_ewt", "dev", 2_001),
        ("squad/v1.1", "dev", 10_570),
        ("squad/v2.0_half", "train", 4_854),
        ("squad/v2.0_half", "dev", 1_224),
        ("cosmos_qa", "dev", 2_985),
        ("chnsenticorp", "train", 9_600),
        ("chnsenticorp", "dev", 1_200),
    ],
)
def test_real_data(data_dir, name, split, count):
    examples, log = read(name, split, data_dir)
    assert len(examples) == count
    assert (log.skips, log.warnings) == ({}, {})
    assert len({example.id for example in examples}) == count


@pytest.mark.parametrize(("name", "count"), [("codah", 2_776), ("thucnews", 10_000)])
def test_real_data_that_is_divided(data_dir, name, count):
    parts = {
        split: read(name, split, data_dir)[0] for split in ("train", "dev", "test")
    }
    texts = [{example.first for example in examples} for examples in parts.values()]
    assert sum(map(len, parts.values())) == count
    assert (
        not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    )
    shares = [len(examples) / count for examples in parts.values()]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.03)


def test_real_documents_and_entities(data_dir):
    sentences, _ = read("conll2003", "test", data_dir)
    assert len({sentence.document for sentence in sentences}) == 231
    tags = [tag for sentence in sentences for tag in sentence.tags]
    # The numbers of conlleval for the test data.
    assert sum(tag.startswith("B-") for tag in tags) == 5_648
    assert len(tags) == 46_435


def test_real_articles_are_whole(data_dir):
    titles = [
        {question.title for question in read("squad/v2.0_half", split, data_dir)[0]}
        for split in ("train", "dev")
    ]
    assert [len(found) for found in titles] == [12, 4]
    assert not titles[0] & titles[1]


def test_real_answers_stand_where_they_are_said_to(data_dir):
    questions, _ = read("squad/v1.1", "dev", data_dir)
    for question in questions:
        for answer in question.answers:
            assert question.context.startswith(answer.text, answer.start)


@pytest.mark.parametrize("folder", ["glue", "glue/RTE"])
def test_real_data_from_an_inner_folder(data_dir, folder):
    assert len(read("glue/rte", "dev", f"{data_dir}/{folder}")[0]) == 277
