"""The page in a real browser, without a screen."""

import html
import re
import shutil
import subprocess
import urllib.parse

import numpy as np
import PIL.Image
import pytest

from bert_tf.serving.client import RestClient
from tests.bert_tf.serving.server.running import base_paths, running

pytestmark = [pytest.mark.slow, pytest.mark.long]
MODELS = ("pretraining", "classification", "token_tagging", "span_qa")


@pytest.fixture(scope="module")
def browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return name
    pytest.skip("there is no Chromium")


@pytest.fixture(scope="module")
def server(exported):
    with running(base_paths(exported, *MODELS)) as running_server:
        yield running_server


@pytest.fixture
def page(server, browser, tmp_path):
    """Opens the page with a question in its address: what is then there, and a PNG."""

    def opened(**asked):
        address = f"{server.url}/?{urllib.parse.urlencode(asked)}"
        picture = tmp_path / "page.png"
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu"]
        command += ["--no-first-run", "--disable-background-networking"]
        command += [f"--user-data-dir={tmp_path / 'profile'}"]
        command += ["--window-size=900,900", "--virtual-time-budget=10000"]
        shot = [f"--screenshot={picture}", address]
        subprocess.run([*command, *shot], capture_output=True, timeout=90, check=True)
        content = subprocess.run(
            [*command, "--dump-dom", address],
            capture_output=True,
            timeout=90,
            check=True,
            text=True,
        ).stdout
        answer = content[content.index('id="answer"') : content.index("<details")]
        error = re.search(r'<p id="error"[^>]*>(.*?)</p>', content)[1]
        return answer, html.unescape(error), np.array(PIL.Image.open(picture))

    return opened


def test_masked_words(server, page):
    text = "The [MASK] sat on the [MASK]."
    answer, error, picture = page(model="pretraining", question="fill_mask", texts=text)
    assert not error
    guesses = RestClient(server.url, "pretraining").predict(texts=[text])["tokens"][0]
    shown = re.findall(r'class="bar"><span>(.*?)</span><i style="width: (.*?)%', answer)
    assert [html.unescape(word) for word, _ in shown] == [*guesses[0], *guesses[1]]
    # The bars are there to be seen.
    blue = (picture[:, :, :3] == (36, 99, 168)).all(axis=2)
    assert blue.sum() > 500


def test_entities(server, page):
    text = "é the cats “ran” home 中 a dog"
    answer, error, _ = page(model="token_tagging", question="tag", texts=text)
    assert not error
    found = RestClient(server.url, "token_tagging").predict(texts=[text])
    marks = re.findall(r"<mark>(.*?)<small>(\S+) ", answer)
    expected = zip(found["entities"][0], found["entity_types"][0], strict=True)
    assert [(html.unescape(m), kind) for m, kind in marks] == list(expected)
    assert marks


def test_the_answer_in_its_context(server, page):
    context = "é home 中, the cat sat on the mat"
    answer, error, _ = page(
        model="span_qa", question="answer", questions="cat", contexts=context
    )
    assert not error
    found = RestClient(server.url, "span_qa").predict(
        questions=["cat"], contexts=[context]
    )
    assert f"<mark>{found['answer'][0]}<small>" in html.unescape(answer)
    assert "(no answer)" in answer


def test_similarity_and_attention(page):
    answer, error, _ = page(
        model="pretraining", question="similarity", first="the cat", second="the cat"
    )
    assert not error and 'class="number">1.000' in answer
    answer, error, picture = page(
        model="pretraining", question="attention", texts="the cat", layers=2, heads=1
    )
    assert not error and "<canvas" in answer
    # Something blue, of many shades.
    pixels = picture[:, :, :3].reshape(-1, 3).astype(int)
    blue = pixels[(pixels[:, 2] - pixels[:, 0]) > 30]
    assert len(np.unique(blue, axis=0)) > 4


def test_classes(page):
    answer, error, _ = page(
        model="classification", question="classify_texts", texts="the cat"
    )
    assert not error
    for label in ("no", "yes", "maybe"):
        assert f"<span>{label}</span>" in answer


def test_a_mistake_is_told(page):
    answer, error, _ = page(
        model="pretraining", question="attention", texts="the cat", layers=9, heads=1
    )
    assert "Expected layers from 1 to 2" in error and "<canvas" not in answer
