import pytest

from data_pipelines.datasets import catalog
from data_pipelines.datasets.catalog import ColumnOptions, from_files
from data_pipelines.datasets.read_log import ReadLog
from tests.shared import SHARED

DEFAULT = ColumnOptions()


def read_all(path, options=DEFAULT, split="train", labels=None):
    dataset = from_files("token_tagging", {split: path}, options, labels)
    log = ReadLog(split)
    examples = list(catalog.read(dataset, split, None, log))
    return dataset, examples, [x.removeprefix(f"{split}: ") for x in log.lines()[1:]]


NUMBERS = "".join(f"{n * 7} word{n} X{n % 3}\n" for n in range(20))
LEMMAS = "".join(f"Word{n} X word{n}\n" for n in range(60))
SWAPPED = "B-PER\tKofi\nO\tcame\n\nB-LOC\tRio\nO\tis\nO\tbig\n"
SWAPPED_POS = "".join(f"{'NOUN' if n % 2 else 'VERB'}\tword{n}\n" for n in range(12))


@pytest.mark.parametrize(
    ("content", "message", "options"),
    [
        (
            NUMBERS,
            r"a.txt: 20 of 20 words are numbers, such as line 1: '0' 'X0' and "
            r"line 2: '7' 'X1'. Expected words: name their column with --word_column",
            {"word_column": "1"},
        ),
        (SWAPPED, r"words look like tags \(line 1: 'B-PER' 'Kofi' and line 2", None),
        (
            SWAPPED_POS,
            r"12 words, 2 of them different, have 12 different tags \(line 1",
            {"word_column": "1", "tag_column": "0"},
        ),
        (LEMMAS, r"60 words.* have 60 different tags", {"tag_column": "1"}),
        (LEMMAS, r"60 words.* have 60 different tags", {"tags": "labels"}),
        ("a\tN B-X\nb\tN O\n", r"all tags contain spaces", {"tags": "labels"}),
        ('"a"\t"X"\n"b"\t"Y"\n', r"all tags are in quotes", {"tags": "labels"}),
    ],
)
@pytest.mark.parametrize("split", ["train", "test"])
def test_words_and_tags_that_look_like_something_else(
    write, content, message, options, split
):
    path = write("a.txt", content)
    labels = None if split == "train" else ("X", "Y")
    with pytest.raises(ValueError, match=message):
        read_all(path, split=split, labels=labels)
    if options is not None:
        assert read_all(path, ColumnOptions(**options))[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a O\nb O\n", "all tags are O (line 1: 'a' 'O' and line 2: 'b' 'O')"),
        (
            "a B-X\nb O\n" * 150,
            "all 300 words are one sentence (line 1: 'a' 'B-X' and line 2: 'b' 'O'); "
            "an empty line between sentences is missing",
        ),
        ("a B-X\n\nb O\n\n" * 10, "every sentence has one word (line 1"),
        ("a PER\nb PER\nc O\n", "tags such as 'PER' have no B- or I-, and are scored"),
        ("a 1\nb 2\nc 0\n", "all tags are numbers (line 1: 'a' '1' and line 2: 'b'"),
        (
            "a B\nb I\nc O\n",
            "tags spelled like 'B', and 'O' outside of entities",
        ),
    ],
)
def test_warnings(write, content, message):
    _, _, log = read_all(write("a.txt", content))
    assert len(log) == 1
    assert message in log[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "Kofi B-PER\ncame O\n\nRio B-LOC\n?? -\n",
            r"a.txt, line 5: received the tag '-' of '..', but other tags are "
            r"entity tags, such as 'B-PER'. Expected .* --tags=entities or --tags=la",
        ),
        ("Kofi B-PER\ncame _\nRio O\n", r"line 2: received the tag '_'"),
        ("Kofi B-PER\ncame o\nRio O\n", r"line 2: received the tag 'o'"),
        ("Kofi B-PER\nRio B_LOC\na O\n", r"line 2: received the tag 'B_LOC'"),
        ("Kofi B\nRio I\na O\nb X\n", r"line 4: received the tag 'X'"),
        (
            "# c\n1 Kofi B-PER\n1-2 ab _\n2 a O\n3 b 0\n",
            r"line 5: received the tag '0'",
        ),
    ],
)
def test_one_odd_tag(write, content, message):
    path = write("a.txt", content)
    with pytest.raises(ValueError, match=message):
        read_all(path)
    dataset, examples, _ = read_all(path, ColumnOptions(tags="labels"))
    assert dataset.metrics == ("accuracy",)
    assert examples[-1].tags[-1] == content.split()[-1]
    with pytest.raises(ValueError, match=r"line \d: received the tag .* --tags=labels"):
        read_all(path, ColumnOptions(tags="entities"))


@pytest.mark.parametrize(
    ("content", "tags"),
    [
        ("a B\nb I\nc O\n", "B-ENTITY I-ENTITY O"),
        ("a B_X\nb I_X\nc O\n", "B-X I-X O"),
        ("a X-B\nb X-I\nc O\n", "B-X I-X O"),
        ("a b-x\nb i-x\nc o\n", "B-x I-x O"),
        ("a B-X\nb I-X\nc _\n", "B-X I-X O"),
        ("a (X*\nb *)\nc *\n", "B-X I-X O"),
    ],
)
def test_spellings(write, content, tags):
    path = write("a.txt", content)
    dataset, examples, log = read_all(path)
    assert dataset.metrics == ("entity_f1", "accuracy")
    assert " ".join(examples[0].tags) == tags
    assert "(--tags=labels keeps them unchanged)" in log[0]
    # A model knows the tags in IOB2.
    _, tested, _ = read_all(path, split="test", labels=tuple(tags.split()))
    assert tested == examples
    _, left, log = read_all(path, ColumnOptions(tags="labels"))
    assert (list(left[0].tags), log) == (content.split()[1::2], [])


def test_entities_without_letters(write):
    path = write("a.txt", "a PER\nb PER\nc O\nd PER\ne LOC\n")
    dataset, (example,), log = read_all(path, ColumnOptions(tags="entities"))
    assert dataset.metrics == ("entity_f1", "accuracy")
    assert example.tags == ("B-PER", "I-PER", "O", "B-PER", "B-LOC")
    assert "tags spelled like 'PER'" in log[0]


def test_numbers_are_named(write):
    path = write("a.txt", "a 1\nb 2\nc 0\n")
    names = ColumnOptions(tag_names=("O", "B-X", "I-X"))
    dataset, (example,), log = read_all(path, names)
    assert dataset.metrics == ("entity_f1", "accuracy")
    assert (example.tags, log) == (("B-X", "I-X", "O"), [])
    with pytest.raises(ValueError, match=r"the tags \['1', '2', '0'\] and 1 tag_names"):
        read_all(path, ColumnOptions(tag_names=("O",)))


def test_tags_that_the_model_does_not_know_are_told(write):
    path = write("a.txt", "a O\nb B-X\n")
    with pytest.raises(ValueError, match=r"line 2: received the label 'B-X'. Expected"):
        read_all(path, split="dev", labels=("O", "B-PER", "I-PER"))
    with pytest.raises(ValueError, match=r"line 1: received the label 'O'. Expected"):
        read_all(path, split="dev", labels=("NOUN", "VERB"))


@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
def test_a_table_of_words_is_refused(write, name):
    path = write(name, "Sentence #,Word,POS,Tag\nSentence: 1,a,X,O\n,b,X,O\n")
    with pytest.raises(ValueError, match="commas between columns: 'Sentence #,Word"):
        read_all(path)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("conll2003/eng.testa", None),
        ("conll2003/eng.testa", "1"),
        ("ud_ewt/dev.conllu", None),
        ("ud_ewt/dev.conllu", "XPOS"),
        ("ud_ewt/dev.conllu", "FEATS"),
        ("biomedical/NCBI-disease/dev.txt.gz", None),
        ("biomedical/bc5cdr/dev.txt.gz", "1"),
    ],
)
def test_real_data_raises_no_question(name, column):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"no real data at {path}")
    _, examples, log = read_all(str(path), ColumnOptions(tag_column=column))
    assert (len(examples) > 900, log) == (True, [])
