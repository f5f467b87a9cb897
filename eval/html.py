"""Self-contained HTML pages from templates: text escaped and made visible, pictures inlined, nothing loaded.

Notices come from a language model and may hold anything. All text is escaped; control characters, which could turn the
reading direction of the page round or hide something, are written as their code points; and the page forbids browsers
to run or load anything.
"""

import base64
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from data.files import write_atomic
from eval.interval import Rate
from eval.theme import DARK, DPI, LIGHT, Theme

_TEMPLATES = Path(__file__).parent / "templates"
_PIXELS_AN_INCH = 108
"""Pictures are shown so large that their text is about as large as that of tables, or as the screen allows."""


def write_page(path: Path, template: str, values: Mapping[str, Any]) -> None:
    """Fill a template and write the page, whole or not at all.

    Args:
        path: the HTML file.
        template: name of a file in ``eval/templates``.
        values: what the template uses; one that is missing is an error.

    Raises:
        jinja2.UndefinedError: the template uses a value that is not given.
        OSError: the file cannot be written; what stood there still stands.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": visible,
        "percent": percent,
        "interval": interval,
        "count": count,
        "clip": clip,
    }
    write_atomic(path, environment.get_template(template).render(values))


def picture(draw: Callable[..., None], alternative: str) -> Markup:
    """A picture for screens in light and dark and for paper, inlined.

    Args:
        draw: writes the PNG file; called with its path and ``theme``.
        alternative: what it shows, for those who cannot see it.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder) / "picture.png"
        light, dark = (_png(draw, file, theme) for theme in (LIGHT, DARK))
    # PNG, third edition, 11.2.1: the width in pixels stands behind the signature and the head of the first chunk.
    width = round(int.from_bytes(light[16:20]) / DPI * _PIXELS_AN_INCH)
    return Markup(
        '<picture><source media="screen and (prefers-color-scheme: dark)" srcset="{}">'
        '<img src="{}" width="{}" alt="{}"></picture>'
    ).format(_data_url(dark), _data_url(light), width, alternative)


def visible(text: object) -> str:
    """Text with control, format, surrogate and private characters written as code points; line feeds stay.

    The zero-width joiners that Hangul does without are shown too: a display would get them.
    """
    return "".join(
        f"⟨U+{ord(sign):04X}⟩" if unicodedata.category(sign)[0] == "C" and sign != "\n" else sign for sign in str(text)
    )


def percent(share: float) -> str:
    """A share in 0..1 as e.g. ``12.5%``."""
    return f"{share:.1%}"


def interval(rate: Rate) -> str:
    """The 95 % interval of a rate, e.g. ``8.6–17.9%``."""
    return f"{100 * rate.low:.1f}–{100 * rate.high:.1f}%"


def count(rate: Rate) -> str:
    """E.g. ``25 of 200``."""
    return f"{rate.passed:g} of {rate.n}"


def clip(text: object, longest: int = 90) -> str:
    """Text that ends in an ellipsis where it is longer than ``longest`` characters."""
    return str(text) if len(str(text)) <= longest else f"{str(text)[: longest - 1]}…"


def _png(draw: Callable[..., None], file: Path, theme: Theme) -> bytes:
    draw(file, theme=theme)
    return file.read_bytes()


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
