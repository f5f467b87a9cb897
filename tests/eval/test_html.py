"""Pages: what a model wrote can neither run, nor load, nor hide, and a page is whole or not there."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from eval import html
from eval.html import clip, count, interval, percent, picture, visible, write_page
from eval.interval import rate
from eval.theme import DARK, Theme

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("공원에서 5도\n올라", "공원에서 5도\n올라"),
        ("a\x00b", "a⟨U+0000⟩b"),
        ("\u202e거꾸로", "⟨U+202E⟩거꾸로"),
        ("공\u200b원", "공⟨U+200B⟩원"),
        ("\ud800", "⟨U+D800⟩"),
        ("\t", "⟨U+0009⟩"),
        (7, "7"),
    ],
)
def test_what_cannot_be_seen_is_named(text: object, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_written_and_keeps_its_length_or_grows(text: str) -> None:
    assert len(visible(text).encode()) >= len(text)


def test_figures() -> None:
    """2 of 4: Wilson's interval is 15.0 to 85.0 percent."""
    half = rate([1, 1, 0, 0])
    assert (percent(half.rate), interval(half), count(half)) == ("50.0%", "15.0–85.0%", "2 of 4")
    assert count(rate([0.5, 1])) == "1.5 of 2"


def test_clip() -> None:
    assert clip("가" * 90) == "가" * 90
    assert clip("가" * 91) == "가" * 89 + "…"


def test_a_picture_comes_in_light_and_dark_and_its_text_keeps_its_size() -> None:
    def draw(path: Path, *, theme: Theme) -> None:
        path.write_bytes(PNG + (400).to_bytes(4) + (b"dark" if theme == DARK else b"light"))

    made = picture(draw, 'a "quoted" <text>')
    dark, light = made.split("<img")
    # 400 pixels at 200 an inch are 2 inches, shown at 108 pixels an inch.
    assert 'width="216"' in light
    assert "prefers-color-scheme: dark" in dark
    assert dark.count("data:image/png;base64,") == light.count("data:image/png;base64,") == 1
    assert 'alt="a &#34;quoted&#34; &lt;text&gt;"' in light


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(html, "_TEMPLATES", tmp_path)
    (tmp_path / "page.jinja").write_text("<p>{{ text|visible }}</p>", encoding="utf-8")
    return tmp_path / "page.html"


def test_text_is_escaped_even_in_templates_of_any_name(template: Path) -> None:
    write_page(template, "page.jinja", {"text": "<script>alert(1)</script>\x08"})
    assert template.read_text(encoding="utf-8") == "<p>&lt;script&gt;alert(1)&lt;/script&gt;⟨U+0008⟩</p>"


def test_a_missing_value_is_an_error_and_the_old_page_stays(template: Path) -> None:
    template.write_text("before", encoding="utf-8")
    with pytest.raises(UndefinedError, match="text"):
        write_page(template, "page.jinja", {})
    assert template.read_text(encoding="utf-8") == "before"


def test_a_full_disk_leaves_the_old_page(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template.write_text("before", encoding="utf-8")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_page(template, "page.jinja", {"text": "new"})
    assert template.read_text(encoding="utf-8") == "before"
