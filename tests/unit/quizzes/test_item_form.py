"""The form writes the lines that it changes and no others; what it cannot keep it refuses, or names."""

from dataclasses import replace

import pytest
from django.conf import settings

from quizzes.bank_edit import block_of
from quizzes.bank_files import bank_paths, parse_bank, parse_mapping
from quizzes.item_form.fields import FormOption, done, problems, read_item
from quizzes.item_form.lines import form_of, write
from quizzes.item_form.mapping_lines import NotForThisForm

PATHS = bank_paths(settings.FIXTURES_DIR / "banks")
TEXT = """bank: demo
title: Demo
items:
  - key: one  # the first
    objective: split
    bloom: apply
    stem: |
      # no comment, but a heading

      Which one?
    source: {url: https://a.example, dated: 2026-06-18, product_version: "1"}  # read twice
    checked_on: 2026-11-22
    expires_on: 2027-05-15
    options:
      # the one that is right
      - text: Right
        key: true
        rationale: &why Because.
        misconception: a
        proof: &call {program: p, arguments: {n: 1}}  # stays
      - text: 'Wrong: it is'
        rationale: *why
        misconception: a
        # ask the trainers
        proof: *call
  - key: two
    stem: Other?
    options:
      - text: X
        rationale: *why
"""


def one(text: str = TEXT) -> tuple[str, str, str]:
    return text, "one", "demo"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_what_is_not_changed_is_written_as_it_stands(path) -> None:  # type: ignore[no-untyped-def]
    text = path.read_text()
    keys = [item.key for item in parse_bank(text, path.name).items if item.kind in {"single", "multiple"}]
    for key in keys[:1] + keys[-1:]:
        written = write(text, key, path.name, form_of(text, key, path.name))
        assert written.text == block_of(text, key, path.name).text
        assert written.lost_comments == ()


def test_a_changed_field_has_other_lines_and_its_comment_is_named() -> None:
    form = form_of(*one())
    assert form.fields["stem"] == "# no comment, but a heading Which one?"
    written = write(*one(), replace(form, fields={**form.fields, "product_version": "2", "difficulty": "hard"}))
    source = "source:\n  url: https://a.example\n  dated: 2026-06-18\n  product_version: '2'\n"
    old = block_of(TEXT, "one", "demo").text
    wanted = old.replace('source: {url: https://a.example, dated: 2026-06-18, product_version: "1"}  # read twice\n', source)
    assert written.text == wanted.replace("stem: |", "difficulty: hard\nstem: |")
    assert written.lost_comments == ("# read twice",)
    stem = write(*one(), replace(form, fields={**form.fields, "stem": "Another one?"}))
    assert "stem: |\n  Another one?\n" in stem.text
    assert stem.lost_comments == ()  # the heading was text


def test_options_move_with_the_comments_above_and_in_them() -> None:
    text = TEXT.replace("&why ", "").replace("*why", "Why").replace("&call ", "").replace("*call", "{program: q}")
    form = form_of(*one(text))
    moved = write(text, "one", "demo", replace(form, options=form.options[::-1]))
    assert moved.lost_comments == ()
    lines = moved.text.splitlines()
    assert lines.index("    # ask the trainers") < lines.index("  # the one that is right") < lines.index("  - text: Right")
    assert read_item(parse_mapping(f"{moved.text}", "demo")).options[0].text == "Wrong: it is"


def test_a_reference_that_would_come_too_early_is_written_out_if_only_this_item_has_it() -> None:
    text = TEXT.replace("        rationale: *why\n", "        rationale: Mine.\n", 2).replace("&why ", "")
    form = form_of(*one(text))
    written = write(text, "one", "demo", replace(form, options=form.options[::-1]))
    raw = parse_mapping(written.text, "demo")
    assert [option["proof"] for option in raw["options"]] == [{"program": "p", "arguments": {"n": 1}}] * 2
    assert "# ask the trainers" in written.lost_comments


def test_what_other_items_refer_to_is_not_taken_away() -> None:
    form = form_of(*one())
    with pytest.raises(NotForThisForm, match="Other items of the file refer to a part of this one"):
        write(*one(), replace(form, options=(form.options[1], FormOption("n1", "New", True, "Since.", "a"))))


@pytest.mark.parametrize("options", ["options: [{text: A, rationale: B, misconception: c, key: true}]", "options: *others"])
def test_shorthand_is_written_out(options: str) -> None:
    text = f"bank: b\nothers: &others\n  - text: A\n    key: true\nitems:\n  - key: one\n    stem: Q?\n    {options}\n"
    form = form_of(*one(text))
    written = write(*one(text), replace(form, options=(replace(form.options[0], text="Changed"),)))
    raw = parse_mapping(written.text, "demo")
    assert (raw["options"][0]["text"], raw["options"][0]["key"], raw["stem"]) == ("Changed", True, "Q?")


def test_buttons_move_add_and_remove() -> None:
    form = form_of(*one())
    names = [option.name for option in done(form, "down-o1").options]
    assert names == ["o2", "o1"]
    assert [option.name for option in done(form, "up-o1").options] == ["o1", "o2"]
    assert [option.name for option in done(done(form, "add"), "add").options] == ["o1", "o2", "n1", "n2"]
    assert [option.name for option in done(form, "remove-o2").options] == ["o1"]
    assert done(form, "remove-o9") == form


def test_every_field_says_what_it_wants() -> None:
    form = form_of(*one())
    assert problems(form) == {"difficulty": "Choose one."}
    empty = replace(form, fields={**form.fields, "stem": "", "expires_on": "2027-13-01"}, options=(FormOption("n1"),))
    assert set(problems(empty)) == {
        "difficulty", "stem", "expires_on", "text-n1", "rationale-n1", "misconception-n1", "key",
    }  # fmt: skip
