import json

import pytest

from data_pipelines.datasets.examples import Answer, Question
from data_pipelines.datasets.sources import Part
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
        "1 warning: answer not where it is said to be, the nearest was taken (q)"
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
        ("{", r"a\.json: not JSON"),
        ("[]", r"a\.json: received list. Expected 'data', a list, as in SQuAD"),
        ('{"articles": []}', r"received \['articles'\]. Expected 'data'"),
        (change(("data", 0), 5), r"data\[0\]: received int. Expected 'title'"),
        (change(("data", 0, "paragraphs"), None), r"data\[0\]: .*'paragraphs', a list"),
        (
            change((*_PARAGRAPH, "context"), None),
            r"paragraphs\[0\]: .*'context', a str",
        ),
        (change((*_QUESTION, "id"), 5), r"qas\[0\]: received 'id': 5. Expected 'id'"),
        (
            change((*_QUESTION, "answers", 0, "answer_start"), "3"),
            r"answers\[0\]: received 'answer_start': 3. Expected .* a int",
        ),
    ],
)
def test_files_that_are_not_as_expected(read, content, message):
    with pytest.raises(ValueError, match=message):
        read_one(read, content)
