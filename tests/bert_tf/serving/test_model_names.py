"""Names of models: what a URL and a folder can carry, as it is."""

import urllib.parse

import pytest

from bert_tf.serving.model_names import require_model_name

GOOD = ["a", "A-1", "sst2.v2", "_", "0", "a..b", "x" * 100]
BAD = {
    "nothing": "",
    "a slash": "a/b",
    "a hash": "a#b",
    "a question": "a?b",
    "a colon": "a:b",
    "a percent": "a%20b",
    "a space": "a b",
    "an umlaut": "\u00e4",
    "a letter like a": "\u0430",
    "an emoji": "\U0001f600",
    "a newline": "a\n",
    "a zero": "a\0",
    "a quote": 'a"b',
    "an equals sign": "a=b",
    "a comma": "a,b",
    "a backslash": "a\\b",
    "hidden": ".a",
    "the folder above": "..",
    "a flag": "-a",
    "101 letters": "x" * 101,
    "a wide digit": "\uff11",
}


@pytest.mark.parametrize("name", GOOD)
def test_names(name):
    require_model_name(name)
    assert urllib.parse.quote(name, safe="") == name


@pytest.mark.parametrize("name", BAD)
def test_names_that_are_none(name):
    with pytest.raises(
        ValueError, match=r"Expected up to 100 of A-Z.* URL\.$"
    ) as raised:
        require_model_name(BAD[name])
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400
