import pytest

from data_pipelines.datasets import catalog
from data_pipelines.datasets.catalog import ColumnOptions, from_files
from data_pipelines.datasets.conll import ConllFile
from data_pipelines.datasets.examples import TaggedSentence
from data_pipelines.datasets.read_log import ReadLog

NER = ConllFile()
POS = ConllFile(tag_column=1, scheme=None)
UPOS = ConllFile(tag_column=3, scheme=None)
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
        ("# O\na O\n\n#tag O\n# O\n\n# O\n", [("#", "a"), ("#tag", "#"), ("#",)]),
        ("a\tO  \n\t\nb c\tO\t\n", [("a",), ("b c",)]),
        ("a\u00a0b O\n\u3000 O\n", [("a\u00a0b", "\u3000")]),
        ("a _ O\t\t\nb _ O\t\t\n\t\n#c _ O\n", [("a", "b"), ("#c",)]),
        ("a\tO\nb O\n \t \nc  O \n", [("a", "b"), ("c",)]),
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
            r"line 2: received 2 columns.*Expected 3, as in the",
        ),
        (
            NER,
            "a.txt",
            "a O\nb X O\n",
            r"line 2: received 3 columns.*Expected 2, as in the",
        ),
        (
            NER,
            "a.txt",
            "a\nb\n",
            r"line 1: received 1 columns.*a word and a tag in col",
        ),
        (
            ConllFile(tag_column=5),
            "a.txt",
            "a O\n",
            r"line 1: received 2 columns.*tag in column 5",
        ),
        (NER, "a.txt", "a\tO\n\tO\n", r"line 2: received .*an empty word or tag"),
        (NER, "a.txt", "a\tO\nb\t \n", r"line 2: received .*an empty word or tag"),
        (UPOS, "a.conllu", "1\ta\ta\tX\n", r"line 1: received 4 columns.*Expected 10"),
        (NER, "a.txt", "a O\nb O\n# c\n", r"line 3: received the tag 'c'"),
        (NER, "a.txt", "#tag\na O\n", r"line 1: received 1 columns"),
        (NER, "a.txt", "# a\n\n# b\n", r"line 1"),
        (ConllFile(tag_column="X"), "a.txt", "a O\n", r"tag_column=X. Expected a num"),
        (
            ConllFile(tag_column="X"),
            "a.conllu",
            CONLLU,
            r"tag_column=X. Expected one of \['ID', 'FORM'",
        ),
        (
            NER,
            "a.txt",
            "1 a X _ O\n2 b Y _ O\n\n1 c Z _ O O\n2 d Z _ O O\n",
            r"line 1: .* other numbers of columns in other sentences.* --tag_column",
        ),
        (ConllFile(word_column=-3), "a.txt", "a O\n", r"words in column -1.*word_col"),
        (ConllFile(tag_column=12), "a.conllu", CONLLU, r"line 4: received 10 columns"),
        (NER, "a.txt", "a O\n\nb PER\n", r"a\.txt, line 3: received the tag 'PER'"),
    ],
)
def test_files_that_are_not_as_expected(read, reader, name, content, message):
    with pytest.raises(ValueError, match=message):
        read(reader, content, name=name)


CONLLX = """1\t#\t_\tN\tNN\t_\t2\tsubj\t_\t_
2\tsieht\t_\tV\tVV\t_\t0\troot\t_\t_

1\tx\t_\t_\tNN\t_\t0\troot\t_\t_
"""
ONTONOTES = """#begin document (bc/a); part 000
bc/a 0 0 The DT (NP* - - - - (ORG* * -
bc/a 0 1 FBI NNP *) - - - - *) (ARG0*) (0)
bc/a 0 2 met VBD * - - - - * (V*) -

bc/a 0 0 Kofi NNP * - - - - (PERSON) (1)

#end document
#begin document (bc/b); part 000
bc/b 0 0 Yes UH * - - - - * -
#end document
"""
JNLPBA = """###MEDLINE:95369245

IL-2\tB-DNA
gene\tI-DNA

###MEDLINE:95333264

Yes\tO
no\tO

No\tO
"""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            "1\tKofi\tB-PER\n2\tcame\tO\n\n1\tRio\tB-LOC\n",
            [("0", "Kofi came", "B-PER O", 0), ("1", "Rio", "B-LOC", 1)],
            id="numbers",
        ),
        pytest.param(
            "0 Kofi B-PER\n1 came O\n\n2 Rio B-LOC\n",
            [("0", "Kofi came", "B-PER O", 0), ("1", "Rio", "B-LOC", 1)],
            id="numbers of the whole file",
        ),
        pytest.param(
            "1 Kofi B-PER\n2 came O\n1 Rio B-LOC\n2 is O\n",
            [("0", "Kofi came", "B-PER O", 0), ("1", "Rio is", "B-LOC O", 1)],
            id="numbers, no empty lines",
        ),
        pytest.param(
            JNLPBA,
            [
                ("0", "IL-2 gene", "B-DNA I-DNA", 0),
                ("1", "Yes no", "O O", 1),
                ("2", "No", "O", 1),
            ],
            id="JNLPBA",
        ),
        pytest.param(
            "# id 5239d808-f300\tdomain=train\nKofi _ _ B-PER\ncame _ _ O\n\n\n"
            "# id a0\tdomain=train\n# _ _ O\n",
            [("5239d808-f300", "Kofi came", "B-PER O", 0), ("a0", "#", "O", 1)],
            id="MultiCoNER",
        ),
        pytest.param(
            "#\thttp://de.wikipedia.org/wiki/X [2009-10-17]\n1\tAufgrund\tO\tO\n"
            "2\tBerliner\tB-LOCderiv\tB-LOC\n\n#\tn-tv.de [2010-02-28]\n"
            "1\t#\tO\tO\n",
            [("0", "Aufgrund Berliner", "O B-LOCderiv", 0), ("1", "#", "O", 1)],
            id="GermEval",
        ),
        pytest.param(
            "# sent_id = s1\n# text = Kofi\nKofi B-PER\n\n# sent_id = s2\ncame O\n",
            [("s1", "Kofi", "B-PER", 0), ("s2", "came", "O", 1)],
            id="comments",
        ),
        pytest.param(
            "# global.columns = ID FORM NE\n# newdoc\n1\tKofi\tB-PER\n"
            "2-3\tcame\t_\n2\tca\tO\n3\tme\tO\n",
            [("0", "Kofi ca me", "B-PER O O", 0)],
            id="CoNLL-U Plus",
        ),
        pytest.param(
            ONTONOTES,
            [
                ("0", "The FBI met", "B-ORG I-ORG O", 0),
                ("1", "Kofi", "B-PERSON", 0),
                ("2", "Yes", "O", 1),
            ],
            id="CoNLL-2012",
        ),
        pytest.param(
            "Token\tTag\r\nKofi\tB-PER\r\ncame\tO\r\n\r\nRio\tB-LOC\r\n",
            [("0", "Kofi came", "B-PER O", 0), ("1", "Rio", "B-LOC", 1)],
            id="header, CRLF",
        ),
        pytest.param(
            "id\tword\tpos\tner\n1\tKofi\tNN\tB-PER\n2\tcame\tVB\tO\n",
            [("0", "Kofi came", "B-PER O", 0)],
            id="header and numbers",
        ),
        pytest.param(
            "Word\tPOS\tTag\tSentence\nKofi\tN\tB-PER\t1\ncame\tV\tO\t1\n",
            [("0", "Kofi came", "B-PER O", 0)],
            id="header, tags in the middle",
        ),
        pytest.param(
            "-DOCSTART- -X- O\n\nKofi -X- _ B-PER\nNew -X- _ O\n\nYork -X- _ O\n",
            [("0", "Kofi New", "B-PER O", 0), ("1", "York", "O", 0)],
            id="Label Studio",
        ),
    ],
)
@pytest.mark.parametrize("name", ["a.tsv", "a.txt", "a.conll.gz"])
def test_formats(write, name, content, expected):
    dataset = from_files("token_tagging", {"train": write(name, content)})
    examples = catalog.read(dataset, "train", None, ReadLog("train"))
    found = [(e.id, " ".join(e.words), " ".join(e.tags), e.document) for e in examples]
    assert found == expected


@pytest.mark.parametrize(
    ("options", "content", "words", "tags"),
    [
        ({"tag_column": "1"}, "a X Y\nb X Z\n", "a b", "X X"),
        ({"tag_column": "-2"}, "a X Y\nb X Z\n", "a b", "X X"),
        ({"word_column": "1"}, "X a Y\nX b Z\n", "a b", "Y Z"),
        ({"word_column": "-1", "tag_column": "0"}, "X a\nX b\n", "a b", "X X"),
        ({"word_column": "0"}, "1\tCD\n2\tCD\n", "1 2", "CD CD"),
        ({"tag_column": "POS"}, "Word\tPOS\tTag\na\tX\tO\n", "a", "X"),
        ({"tag_column": "Wortart"}, "Wort\tWortart\na\tX\n", "a", "X"),
        ({"tag_column": "XPOS"}, CONLLX, "# sieht", "NN VV"),
        ({"tag_column": "deprel"}, CONLLX, "# sieht", "subj root"),
        ({"tag_column": "FEATS"}, CONLLX, "# sieht", "_ _"),
        ({}, CONLLX, "# sieht", "N V"),
        (
            {"tag_column": "2"},
            "1 a X _ O\n2 b Y _ O\n\n1 c Z _ O O\n2 d Z _ O O\n",
            "a b",
            "X Y",
        ),
        ({"tag_column": "4"}, ONTONOTES, "The FBI met", "DT NNP VBD"),
        (
            {"tag_column": "3"},
            "1\ta\tO\tB-X\n2\tb\tB-Y\tO\n",
            "a b",
            "B-X O",
        ),
        (
            {"word_column": "LEMMA", "tag_column": "UPOS"},
            "# global.columns = ID FORM LEMMA UPOS\n1\ta\tb\tX\n",
            "b",
            "X",
        ),
    ],
)
def test_columns_that_are_named(write, options, content, words, tags):
    path = write("a.txt", content)
    dataset = from_files("token_tagging", {"train": path}, ColumnOptions(**options))
    example = next(iter(catalog.read(dataset, "train", None, ReadLog("train"))))
    assert (" ".join(example.words), " ".join(example.tags)) == (words, tags)


def test_what_is_not_plain_is_told(read):
    content = "#\tn-tv.de [2010]\n1 Kofi B-PER B-X\n2 came O O\n1 Rio B-LOC O\n"
    _, log = read(NER, content)
    assert log[0] == "1 warning: no empty line before a sentence (line 4)"
    assert "a.tsv: the first column numbers the words, which are read" in log[1]
    assert "of two columns of entities, the first is read" in log[2]
    _, log = read(NER, "# a\nKofi O\n\n# b c d\nRio O\n")
    assert log == [
        '2 warnings: line that begins with "#" read as a comment (line 1, line 4)'
    ]


def test_unknown_tags(read):
    with pytest.raises(
        ValueError,
        match=r"a\.tsv, line 3: received the label 'B-X'. Expected one of \['O'",
    ):
        read(NER, "a O\n\nb I-X\n", labels=("O", "B-PER", "I-PER"))
