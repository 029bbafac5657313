import json

import pytest

from data_pipelines.datasets.examples import Answer, Question
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Files, Part, Reading
from data_pipelines.datasets.squad import SquadJson

CONTEXT = "In May the rain came, and in May it went. It was May."


def file(*questions, context=CONTEXT, title="Rain"):
    paragraph = {"context": context, "qas": list(questions)}
    return json.dumps({"data": [{"title": title, "paragraphs": [paragraph]}]})


def entry(*answers, question="When?", **more):
    answers = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": "q", "question": question, "answers": answers, **more}


def read_one(read, content, role="train"):
    examples, log = read(SquadJson(), content, role, name="a.json")
    return examples[0] if examples else None, log


def test_a_question(read):
    question, log = read_one(read, file(entry(("May", 3), ("in May", 26))))
    answers = (Answer("May", 3), Answer("in May", 26))
    assert question == Question("q", "Rain", "When?", CONTEXT, answers, False)
    assert log == []


def test_guessed_starts_are_taken_as_others(read):
    content = entry(("May", 29))
    content["answers"][0]["start_guessed"] = True
    question, log = read_one(read, file(content))
    assert question.answers == (Answer("May", 29),)
    assert log == []


@pytest.mark.parametrize("role", ["train", "dev", "test"])
def test_impossible_questions(read, role):
    content = file(entry(is_impossible=True, plausible_answers=[{"text": "May"}]))
    question, log = read_one(read, content, role)
    assert (question.answers, question.is_impossible) == ((), True)
    assert log == []


@pytest.mark.parametrize(
    ("start", "expected"),
    [(3, 3), (0, 3), (17, 29), (15, 3), (30, 29), (-5, 3), (9_999, 49)],
)
def test_the_nearest_occurrence_is_taken(read, start, expected):
    question, log = read_one(read, file(entry(("May", start))))
    assert question.answers == (Answer("May", expected),)
    assert [line.split(":")[0] for line in log] == ["1 warning"] * (start != expected)


def test_occurrences_may_overlap(read):
    content = file(entry(("aa", 2)), context="aaa")
    assert read_one(read, content)[0].answers == (Answer("aa", 1),)


def test_spaces_around_an_answer_are_left_out(read):
    question, log = read_one(read, file(entry((" May ", 2), ("May\n", 40))))
    assert question.answers == (Answer("May", 3), Answer("May", 49))
    assert log == [
        "1 warning: answer not at its given start; the nearest occurrence was used (q)"
    ]


def test_offsets_are_characters(read):
    context = "é 😀 中文 word"
    question, _ = read_one(read, file(entry(("word", 7)), context=context))
    assert question.answers == (Answer("word", 7),)


def test_answers_that_are_nowhere(read):
    content = file(entry(("June", 3)))
    question, log = read_one(read, content)
    assert question is None
    assert log == ["1 skipped: answer not found in the context (q)"]
    for role in ("dev", "test"):
        question, log = read_one(read, content, role)
        assert question.answers == (Answer("June", -1),)
        assert log == ["1 warning: answer not found in the context (q)"]


def test_what_can_be_trained_on_comes_first(read):
    question, log = read_one(read, file(entry(("June", 3), ("", 0), ("rain", 11))))
    assert question.answers == (Answer("rain", 11), Answer("June", -1))
    assert log == ["1 warning: answer not found in the context (q)"]


@pytest.mark.parametrize("role", ["train", "dev", "test"])
@pytest.mark.parametrize("answers", [[], [("", 0)], [(" ", 2)]])
def test_without_answers(read, answers, role):
    question, log = read_one(read, file(entry(*answers)), role)
    if role == "test":
        assert (question.answers, log) == ((), [])
    else:
        assert (question, log) == (None, ["1 skipped: no answer (q)"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (file(entry(("May", 3), question=" ")), "empty question"),
        (file(entry(("May", 3)), context="\n"), "empty context"),
    ],
)
def test_empty_texts(read, content, reason):
    assert read_one(read, content) == (None, [f"1 skipped: {reason} (q)"])


def test_parts_are_whole_articles(read):
    articles = [
        json.loads(file(*[entry(("May", 3))] * 3, title=f"Title {number}"))["data"][0]
        for number in range(20)
    ]
    content = json.dumps({"data": articles})
    titles = []
    for takes in ((0, 1, 2), (3,)):
        part = Part(takes, 4)
        examples, _ = read(SquadJson(), content, name="a.json", part=part)
        titles.append({example.title for example in examples})
        assert len(examples) == 3 * len(titles[-1]) > 0
    assert not titles[0] & titles[1]
    assert len(titles[0] | titles[1]) == 20


def change(path, value):
    content = json.loads(file(entry(("May", 3))))
    target = content
    for key in path[:-1]:
        target = target[key]
    if value is None:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return json.dumps(content)


_PARAGRAPH = ("data", 0, "paragraphs", 0)
_QUESTION = (*_PARAGRAPH, "qas", 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"a\.json, line 1: not JSON"),
        ('{"articles": []}', r"\['articles'\] without the list 'paragraphs'"),
        (change(("data", 0), 5), r"\['data'\] without the list 'paragraphs'"),
        (
            change(("data", 0, "paragraphs"), None),
            r"object 1: .*\['title'\] without the list 'paragraphs'",
        ),
        (
            change((*_PARAGRAPH, "context"), None),
            r"paragraphs\[0\]\.qas\[0\]: .* without the text 'context'",
        ),
        (
            change((*_PARAGRAPH, "context"), [CONTEXT]),
            r"'context': .*, which is not a text",
        ),
        (change((*_QUESTION, "id"), ["q"]), r"'id': .*, which is not a text"),
        (
            change((*_QUESTION, "answers", 0, "answer_start"), "3"),
            r"answers\[0\]: received 'answer_start': '3'",
        ),
        (
            change((*_QUESTION, "answers"), {"text": ["May"], "answer_start": []}),
            r"answers: received 1 and 0 values",
        ),
        (
            change((*_QUESTION, "is_impossible"), "no"),
            r"received 'is_impossible': 'no'",
        ),
        ("a question", r"a\.json, line 1: not JSON"),
    ],
)
def test_files_that_are_not_as_expected(read, content, message):
    with pytest.raises(ValueError, match=message):
        read_one(read, content)


def test_questions_in_a_table_are_for_predictions_alone(read):
    with pytest.raises(
        ValueError, match=r"a\.csv is a table according to its name\. Expected SQ"
    ):
        read(SquadJson(), "question,context\n", name="a.csv")


# --- Ids.


def ids_of(read, *ids):
    entries = [{**entry(("May", 3)), "id": name} for name in ids]
    for values in entries:
        if values["id"] == "missing":
            del values["id"]
    examples, log = read(SquadJson(), file(*entries), name="a.json")
    return [example.id for example in examples], log


_NONE = "no id; the number of the question was used"
_EQUAL = "duplicate id; a number was appended"


@pytest.mark.parametrize(
    ("given", "expected", "told"),
    [
        (("a", "b"), ["a", "b"], []),
        ((51870, 51871), ["51870", "51871"], []),
        ((1.5, "1.5"), ["1.5", "1.5-2"], [f"1 warning: {_EQUAL} (1.5-2)"]),
        (("", ""), ["0", "1"], [f"2 warnings: {_NONE} (0, 1)"]),
        (
            (None, "missing", "c"),
            ["0", "1", "c"],
            [f"2 warnings: {_NONE} (0, 1)"],
        ),
        (("a", "a", "a"), ["a", "a-2", "a-3"], [f"2 warnings: {_EQUAL} (a-2, a-3)"]),
        (
            ("a", "a", "a-2", "a"),
            ["a", "a-2", "a-2-2", "a-3"],
            [f"3 warnings: {_EQUAL} (a-2, a-2-2, a-3)"],
        ),
        (
            ("1", ""),
            ["1", "1-2"],
            [f"1 warning: {_NONE} (1-2)", f"1 warning: {_EQUAL} (1-2)"],
        ),
    ],
)
def test_each_question_has_an_id_of_its_own(read, given, expected, told):
    assert ids_of(read, *given) == (expected, told)


def test_ids_differ_over_all_files(write):
    paths = tuple(write(name, file(entry(("May", 3)))) for name in ("a.json", "b.json"))
    log = ReadLog("dev")
    examples = SquadJson().read_files(Files(paths), Reading("dev", None, log))
    assert [example.id for example in examples] == ["q", "q-2"]
    assert log.warnings == {_EQUAL: 1}


# --- Fields that are missing, null, or of another type.


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("data", 0, "title"), None),
        ((*_QUESTION, "is_impossible"), False),
        ((*_QUESTION, "is_impossible"), 0),
        ((*_QUESTION, "answers", 0, "answer_start"), 3.0),
        ((*_PARAGRAPH, "document_id"), 1),
    ],
)
def test_fields_that_make_no_difference(read, path, value):
    question, log = read_one(read, change(path, value))
    assert (question.id, question.answers) == ("q", (Answer("May", 3),))
    assert log == []


@pytest.mark.parametrize("name", ["id", "answers", "is_impossible"])
def test_null_is_as_a_missing_field(read, name):
    content = json.loads(file(entry(("May", 3))))
    content["data"][0]["title"] = None
    question = content["data"][0]["paragraphs"][0]["qas"][0]
    question[name] = None
    nulls = read_one(read, json.dumps(content), "test")
    question.pop(name)
    del content["data"][0]["title"]
    assert read_one(read, json.dumps(content), "test") == nulls


def test_an_answer_that_is_a_number(read):
    content = file(entry((1998, 0)), context="In 1998.")
    question, _ = read_one(read, content)
    assert question.answers == (Answer("1998", 3),)


@pytest.mark.parametrize("start", [None, "missing"])
def test_an_answer_without_a_start(read, start):
    content = entry(("May", start))
    if start == "missing":
        del content["answers"][0]["answer_start"]
    question, log = read_one(read, file(content))
    assert question.answers == (Answer("May", 3),)
    assert log == [
        "1 warning: answer without a start; its first occurrence was used (q)"
    ]


FLAT = {
    "id": "a",
    "title": "Rain",
    "context": CONTEXT,
    "question": "When?",
    "answers": {"text": ["May"], "answer_start": [3]},
}
TWO_FLAT = [FLAT, {**FLAT, "id": 7}]
_SQUADS = [{"text": "May", "answer_start": 3}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", TWO_FLAT),
        ("a.json", TWO_FLAT),
        ("a.json", json.dumps(TWO_FLAT)),
        ("a.json", json.dumps({"data": TWO_FLAT}, indent=1)),
        ("a.jsonl", [{**FLAT, "answers": _SQUADS, "id": name} for name in ("a", "7")]),
    ],
)
def test_flat_questions(read, name, content):
    examples, log = read(SquadJson(), content, name=name)
    answers = (Answer("May", 3),)
    assert examples == [
        Question(name, "Rain", "When?", CONTEXT, answers, False) for name in ("a", "7")
    ]
    assert log == []


_TAKEN = "empty answers without is_impossible; read as unanswerable"


@pytest.mark.parametrize(
    ("others", "expected", "told"),
    [
        # Hugging Face's copy of SQuAD 2.0 has no is_impossible.
        ([{}], True, [f"1 warning: {_TAKEN} (b)"]),
        # Where questions say it, this one does not.
        ([{"is_impossible": False}], None, ["1 skipped: no answer (b)"]),
        ([{"is_impossible": True, "answers": []}], None, ["1 skipped: no answer (b)"]),
        # Nothing is known of any question.
        ([], None, ["1 skipped: no answer (b)"]),
    ],
)
@pytest.mark.parametrize("empty", [[], {"text": [], "answer_start": []}])
def test_empty_answers(read, others, expected, told, empty):
    rows = [{**FLAT, "id": "b", "answers": empty}, *({**FLAT, **o} for o in others)]
    examples, log = read(SquadJson(), rows, "dev", name="a.jsonl")
    found = {example.id: example.is_impossible for example in examples}
    assert (found.get("b"), log) == (expected, told)


# --- Answers that are written otherwise than in the context.


@pytest.mark.parametrize(
    ("answer", "context", "expected"),
    [
        ("the rain", "In May The Rain came", Answer("The Rain", 7)),
        ("STRASSE", "eine Straße weiter", Answer("Straße", 5)),
        ("e\u0301te\u0301", "un \u00e9t\u00e9 chaud", Answer("\u00e9t\u00e9", 3)),
        ("\u00e9t\u00e9", "un e\u0301te\u0301 chaud", Answer("e\u0301te\u0301", 3)),
        ("R&D", "the R&amp;D team", Answer("R&amp;D", 4)),
        ("R&amp;D", "the R&D team", Answer("R&D", 4)),
        ("two  words", "of two words", Answer("two words", 3)),
        ("two words", "of two\n words", Answer("two\n words", 3)),
        ("1\u00a0000 km", "after 1 000 km", Answer("1 000 km", 6)),
        # An accent makes another letter.
        ("ETE", "un e\u0301te\u0301", Answer("ETE", -1)),
        ("ete", "un \u00e9t\u00e9", Answer("ete", -1)),
        ("pere", "le p\u00e8re", Answer("pere", -1)),
    ],
)
def test_answers_that_are_written_otherwise(read, answer, context, expected):
    question, log = read_one(read, file(entry((answer, 0)), context=context), "dev")
    assert question.answers == (expected,)
    told = "answer not found in the context"
    if expected.start >= 0:
        told = (
            "answer spelled differently in the context (case, spaces, accents or "
            "HTML entities); the spelling of the context was used"
        )
    assert log == [f"1 warning: {told} (q)"]


def test_for_a_prediction_nothing_is_left_out(read):
    entries = [
        entry(("June", 3)),
        entry(is_impossible=True),
        entry(question=" "),
        entry(("May", 29)),
    ]
    examples, log = read(SquadJson(), file(*entries), "predict", name="a.json")
    assert [(e.answers, e.is_impossible) for e in examples] == [((), False)] * 4
    assert log == [f"3 warnings: {_EQUAL} (q-2, q-3, q-4)"]
