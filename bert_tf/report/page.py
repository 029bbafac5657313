"""Renders reports as self-contained HTML pages."""

import base64
import io
from typing import Any

import jinja2
import matplotlib.figure

from bert_tf.report.excerpts import shortened
from bert_tf.report.metric_names import name_of, text_of


def page(title: str, template: str, values: dict[str, Any]) -> str:
    """Renders a page, with links to its sections if there are many.

    Args:
        title: the title of the page.
        template: the template in `templates/` for the content below the title.
        values: the variables of the template. Texts are escaped, figures become PNGs.
    """
    text = TEMPLATES.get_template("page.html").render(
        title=title, content=template, **values
    )
    # A Python string may have unpaired surrogates, which UTF-8 cannot encode.
    return text.encode("utf-8", "replace").decode()


def _png(figure: matplotlib.figure.Figure) -> str:
    """A figure as a PNG in base64."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return base64.b64encode(buffer.getvalue()).decode()


def _signed(value: float, digits: int) -> str:
    # Adding 0 turns -0.0 into 0.0, which is written without a minus.
    return f"{round(value, digits) + 0.0:+.{digits}f}"


TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("bert_tf.report"),
    autoescape=True,
    extensions=["jinja2.ext.do"],
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
TEMPLATES.filters |= {
    "metric_name": name_of,
    "metric_value": lambda value, metric: text_of(metric, value),
    "percent": "{:.1%}".format,
    "png": _png,
    "shortened": shortened,
    "signed": _signed,
    "thousands": "{:,}".format,
}
