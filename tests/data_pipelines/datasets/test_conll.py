import pytest

from data_pipelines.datasets.conll import ConllFile
from data_pipelines.datasets.examples import TaggedSentence

NER = ConllFile()
POS = ConllFile(tag_column=1, are_entities=False)
UPOS = ConllFile(tag_column=3, are_entities=False)
NEWS = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O

German JJ I-NP I-MISC


-DOCSTART- -X- -X- O

Peter NNP I-NP I-PER
"""


def test_columns(read):
    examples, log = read(NER, NEWS, name="eng.train")
    assert examples == [
        TaggedSentence("0", ("EU", "rejects"), ("B-ORG", "O"), 0),
        TaggedSentence("1", ("German",), ("B-MISC",), 0),
        TaggedSentence("2", ("Peter",), ("B-PER",), 1),
    ]
    assert log == []


def test_another_column(read):
    examples, _ = read(POS, NEWS, name="eng.train.gz")
    assert [example.tags for example in examples] == [("NNP", "VBZ"), ("JJ",), ("NNP",)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a\tO\nb\tO\n\n \nc\tO", [("a", "b"), ("c",)]),
        ("a b\tO\r\n\r\nc\tO\r\n", [("a b",), ("c",)]),
        ("\n\na  O\n# O\n\n\n", [("a", "#")]),
        ("-DOCSTART-\na O\n-DOCSTART-\nb O", [("a",), ("b",)]),
    ],
)
def test_tabs_spaces_and_empty_lines(read, content, words):
    examples, _ = read(NER, content)
    assert [example.words for example in examples] == words


def test_sentences_without_documents_have_their_own(read):
    examples, _ = read(NER, "a O\n\nb O\n\n-DOCSTART- O\n\nc O\n\nd O\n")
    assert [example.document for example in examples] == [0, 1, 2, 2]


CONLLU = """# newdoc id = x
# sent_id = x-1
# text = I don't
1\tI\tI\tPRON\tPRP\t_\t0\troot\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t1\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t1\tadvmod\t_\t_
3.1\tsee\tsee\tVERB\t_\t_\t_\t_\t_\t_

# newdoc
# newpar id = y
1\t#\t#\tSYM\tNFP\t_\t0\troot\t_\t_

1\ta b\ta b\tNOUN\tNN\t_\t0\troot\t_\t_
"""


def test_conllu(read):
    examples, log = read(UPOS, CONLLU, name="a.conllu")
    assert examples == [
        TaggedSentence("x-1", ("I", "do", "n't"), ("PRON", "AUX", "PART"), 0),
        TaggedSentence("1", ("#",), ("SYM",), 1),
        TaggedSentence("2", ("a b",), ("NOUN",), 1),
    ]
    assert log == []


def test_conllu_without_tags(read):
    content = CONLLU.replace("AUX", "_")
    examples, log = read(UPOS, content, name="a.conllu")
    assert [example.words for example in examples] == [("#",), ("a b",)]
    assert log == ["1 skipped: no tags (line 4)"]
    examples, log = read(UPOS, content, "test", name="a.conllu")
    assert [example.tags for example in examples] == [None, ("SYM",), ("NOUN",)]
    assert log == []


def test_a_test_may_be_words_alone(read):
    examples, _ = read(NER, "a\nb\n\nc\n", role="test")
    assert examples == [
        TaggedSentence("0", ("a", "b"), None, 0),
        TaggedSentence("1", ("c",), None, 1),
    ]


@pytest.mark.parametrize(
    ("reader", "name", "content", "message"),
    [
        (
            NER,
            "a.txt",
            "a X O\nb O\n",
            r"line 2: received 2 columns.*Expected 3, as the",
        ),
        (
            NER,
            "a.txt",
            "a O\nb X O\n",
            r"line 2: received 3 columns.*Expected 2, as the",
        ),
        (
            NER,
            "a.txt",
            "a\nb\n",
            r"line 1: received 1 columns.*a word and a tag in col",
        ),
        (
            ConllFile(5),
            "a.txt",
            "a O\n",
            r"line 1: received 2 columns.*tag in column 5",
        ),
        (NER, "a.txt", "a\tO\n\tO\n", r"line 2: received .*an empty word or tag"),
        (NER, "a.txt", "a\tO\nb\t \n", r"line 2: received .*an empty word or tag"),
        (UPOS, "a.conllu", "1\ta\ta\tX\n", r"line 1: received 4 columns.*Expected 10"),
        (ConllFile(12), "a.conllu", CONLLU, r"line 4: received 10 columns"),
        (NER, "a.txt", "a O\n\nb PER\n", r"a\.txt, line 3: Received the tag 'PER'"),
    ],
)
def test_files_that_are_not_as_expected(read, reader, name, content, message):
    with pytest.raises(ValueError, match=message):
        read(reader, content, name=name)


def test_unknown_tags(read):
    with pytest.raises(
        ValueError,
        match=r"a\.tsv, line 3: received the label 'B-X'. Expected one of \['O'",
    ):
        read(NER, "a O\n\nb I-X\n", labels=("O", "B-PER", "I-PER"))
