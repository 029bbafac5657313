"""Markup of Wikipedias that convert their text between scripts."""

import pytest

from data_pipelines.corpus.language_variants import first_variants


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("它用-{zh-hans:计算机;zh-hant:電腦;}-写成。", "它用计算机写成。"),
        ("它用-{zh-hant:電腦; zh-hans:计算机}-写成。", "它用電腦写成。"),
        ("-{zh-cn:软件; zh-tw:軟體; zh-hk:軟件}-", "软件"),
        ("-{zh:一;zh-hans:二}-", "一"),
        ("-{\nzh-cn : 软件 ;\nzh-tw : 軟體 ;\n}-", "软件"),
        # One variant may be empty.
        ("-{zh-hans:;zh-hant:電腦}-", "電腦"),
        # Text that is not to be converted.
        ("-{干}-净", "干净"),
        ("-{R|text}-", "text"),
        ("-{|text}-", "text"),
        ("-{zh-hans;zh-hant|text}-", "text"),
        ("a-{}-b", "ab"),
        ("-{a;b:c}-", "a;b:c"),
        ("-{http://a.b/c}-", "http://a.b/c"),
        # Rules for the rest of the page: shown, or not.
        ("-{A|zh-cn:博客;zh-tw:部落格}-", "博客"),
        ("-{A;|zh-cn:博客;zh-tw:部落格}-", "博客"),
        ("x-{H|zh-cn:博客;zh-tw:部落格}-y", "xy"),
        ("x-{H|巨集=>zh-cn:宏;}-y", "xy"),
        ("x-{T|zh-cn:博客;zh-tw:部落格}-y", "xy"),
        ("x-{-|zh-cn:博客;zh-tw:部落格}-y", "xy"),
        ("x-{D|zh-cn:博客;zh-tw:部落格}-y", "xy"),
        ("x-{N|zh-tw}-y", "xy"),
        ("-{A;T|zh-cn:博客;zh-tw:部落格}-", "博客"),
        ("-{巨集=>zh-cn:宏; 微集=>zh-tw:宏集}-", "宏"),
        # Links, templates and escapes within; conversions within conversions.
        ("-{zh-hans:[[甲|乙]];zh-hant:[[丙]]}-", "[[甲|乙]]"),
        ("-{[[甲|乙]]}-", "[[甲|乙]]"),
        ("-{{{lang|en|a}}}-", "{{lang|en|a}}"),
        ("-{zh-cn:{{lang|en|a}};zh-tw:b}-", "{{lang|en|a}}"),
        ("-{zh-cn:a&nbsp;b;zh-tw:c}-", "a&nbsp;b"),
        ("-{zh-hans:甲-{乙}-丙;zh-hant:丁}-", "甲乙丙"),
        ("-{zh-hans:-{zh-cn:甲;zh-tw:乙}-;zh-hant:丁}-", "甲"),
        # Serbian.
        ("-{Text}- и -{sr-ec:Текст; sr-el:Tekst}-", "Text и Текст"),
        # A hyphen before a template, and brackets without partners.
        ("19-{{frac|1|2}}-inch", "19-{{frac|1|2}}-inch"),
        ("{{a|-{zh-cn:甲;zh-tw:乙}-}}", "{{a|甲}}"),
        ("a -{ b", "a -{ b"),
        ("a }- b -{甲}-", "a }- b 甲"),
        ("<nowiki>-{甲}-</nowiki>-{乙}-", "<nowiki>-{甲}-</nowiki>乙"),
        ("<math>e^-{x}-{y}-</math>-{乙}-", "<math>e^-{x}-{y}-</math>乙"),
        ("<!-- -{ -->-{乙}-", "<!-- -{ -->乙"),
    ],
)
def test_the_first_variant_is_chosen(markup, expected):
    assert first_variants(markup) == expected
