"""Which lines are joined: those of a file that shows that it is hard-wrapped."""

import textwrap

import pytest

from data_pipelines.corpus.paragraphs import paragraphs_of

PROSE = (
    "The sky was grey over the hills, and the rain came down on us without an end. "
    "We left the house in which we had lived for so long, with all that we had. "
    "Nobody spoke on the way, and the horses, which were as tired as we, went slowly."
)
CHINESE = "天色灰暗，雨下个不停。我们离开了住了很久的房子，带着我们所有的东西。" * 4
GERMAN = (
    "Der Himmel lag grau über den Hügeln, und der Regen fiel ohne Ende auf uns herab. "
    "Wir verließen das Haus, in dem wir lange gelebt hatten, mit allem Hab und Gut. "
    "Auf dem Weg sprach niemand, und die Pferde gingen langsam durch den Schlamm. "
    "Am Abend kamen wir an einen Fluss; das Wasser stand hoch, die Brücke, über die "
    "der Vater als Kind gegangen war, lag in Trümmern. Was nun? Die Mutter setzte sich "
    "auf einen Stein und lachte. Da lachten auch wir, obwohl uns nicht danach war."
)
# Titles of news, of nearly one width, as they stand in real corpora.
TITLES = [
    "体验二维巅峰 倚天屠龙记十大创新概览",
    "六十年铁树开花形状似玉米芯组图展示",
    "同步股市首秀：港股缩量回调收盘持平",
    "中青宝游戏公司年内上市计划进展顺利",
    "青岛现经营性土地密集出让潮引起关注",
    "证监会召开座谈会讨论新股发行制度改",
]
SONNET = [
    "Shall I compare thee to a summer’s day?",
    "Thou art more lovely and more temperate:",
    "Rough winds do shake the darling buds of May,",
    "And summer’s lease hath all too short a date:",
    "Sometime too hot the eye of heaven shines,",
    "And often is his gold complexion dimm'd;",
    "And every fair from fair sometime declines,",
    "By chance or nature’s changing course untrimm'd;",
    "But thy eternal summer shall not fade",
    "Nor lose possession of that fair thou owest;",
    "Nor shall Death brag thou wander'st in his shade,",
    "When in eternal lines to time thou growest:",
    "So long as men can breathe or eyes can see,",
    "So long lives this and this gives life to thee.",
]
# One sentence a line, all of one width.
SENTENCES = [
    f"The man number {i} went to the old market and bought bread ." for i in range(100)
]
LOWER_CASED = [
    f"the man number {i} went to the old market and bought bread" for i in range(100)
]
SUBTITLES = ["I don't know what you mean.", "Yes, you do.", "Get out of my house!"] * 9


def wrapped(text, width):
    if " " not in text:
        return [text[i : i + width] for i in range(0, len(text), width)]
    return textwrap.wrap(text, width, break_on_hyphens=False)


@pytest.mark.parametrize("width", [45, 60, 72, 80, 100])
@pytest.mark.parametrize("text", [PROSE, GERMAN])
def test_wrapped_prose_is_joined(text, width):
    lines = [*wrapped(text, width), ""] * 4
    assert list(paragraphs_of([lines])) == [[text] * 4]


@pytest.mark.parametrize("width", [20, 30, 40])
def test_wrapped_chinese_is_joined(width):
    lines = [*wrapped(CHINESE, width), ""] * 4
    assert list(paragraphs_of([lines])) == [[CHINESE] * 4]


@pytest.mark.parametrize(
    "lines",
    [
        TITLES,
        TITLES * 30,
        SONNET,
        SENTENCES,
        LOWER_CASED,
        SUBTITLES,
        [f"{number:05d} entries are in the list of this file" for number in range(90)],
        ["A CHAPTER OF ACCIDENTS, IN WHICH ALL LINES ARE OF ONE WIDTH."] * 30,
        [PROSE] * 50,
    ],
    ids=[
        *("titles", "many titles", "verses", "sentences", "lower-cased", "subtitles"),
        *("list", "headings", "long lines"),
    ],
)
@pytest.mark.parametrize("size", [6, 1000], ids=["six-line documents", "one document"])
def test_other_lines_are_not_joined(lines, size):
    documents = [lines[i : i + size] for i in range(0, len(lines), size)]
    assert list(paragraphs_of(documents)) == documents


def test_short_documents_are_judged_as_the_beginning_of_the_file():
    """Six lines can look wrapped by chance, and a letter of three is wrapped."""
    like_wrapped = [
        "The man in the market sold bread. He had none left when we came",
        "so that we went home to the others. They had waited for a while",
        "and asked for the bread. It was late. We had nothing for anyone",
        "but the girl had an apple. She cut it. All of us ate a piece it",
        "was the best one of my life. He laughed. The night was long and",
        "cold. Nobody slept. In the morning the man came with some bread",
    ]
    assert len(next(paragraphs_of([like_wrapped]))) == 1
    among_sentences = [SENTENCES] * 3 + [like_wrapped]
    assert list(paragraphs_of(among_sentences)) == among_sentences
    letter = wrapped(PROSE, 72)[:3]
    among_wrapped = [[*wrapped(PROSE, 72), ""] * 20, letter]
    assert list(paragraphs_of(among_wrapped))[1] == [" ".join(letter)]


def test_long_documents_are_judged_by_themselves():
    book, page = [*wrapped(PROSE, 72), ""] * 20, [f"{PROSE}!"] * 50
    assert list(paragraphs_of([book, page, book])) == [[PROSE] * 20, page, [PROSE] * 20]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # Told so, any lines are joined up to an empty or indented one.
        (["it rained", "and we left"], ["it rained and we left"]),
        (["It rained", "", "We left"], ["It rained", "We left"]),
        ([*SONNET[8:10], "", *SONNET[12:]], 2),
        ([*wrapped(PROSE, 200), "", "The end."], [PROSE, "The end."]),
        (TITLES[:2], ["".join(TITLES[:2])]),
        (["A full line of text here", "Short.", "Next full line"], 1),
        (["A full line of text here", "more", "  Indented.", "Text."], 2),
        # Where a long document has no empty lines, short ones end its paragraphs.
        (wrapped(PROSE, 70) * 20, 20),
        ([*wrapped(PROSE, 70), "", *wrapped(PROSE, 70) * 20], 2),
    ],
)
def test_lines_that_are_said_to_be_wrapped(lines, expected):
    (found,) = paragraphs_of([lines], "wrapped")
    assert (len(found) if isinstance(expected, int) else found) == expected


def test_lines_that_are_said_to_be_sentences():
    lines = [*wrapped(PROSE, 72), "", "  = a heading = "]
    assert list(paragraphs_of([lines * 20], "sentences")) == [
        [*wrapped(PROSE, 72), "a heading"] * 20
    ]


def test_nothing_is_lost_by_joining():
    lines = [*wrapped(PROSE, 50), "", "\u3000", "CHAPTER I", *wrapped(GERMAN, 90)] * 9
    for choice in ("auto", "wrapped", "sentences"):
        (found,) = paragraphs_of([lines], choice)
        assert " ".join(found).split() == " ".join(lines).split()
