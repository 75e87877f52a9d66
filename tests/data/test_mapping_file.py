"""The mapping file's form: what it says, and that every error names file, key, value and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsdash.data.mapping.file import ColumnRule, Mapping, load_mapping
from wsdash.data.mapping.plan import words
from wsdash.errors import InputError


def mapping(tmp_path: Path, text: str) -> Mapping:
    """The text as a file, read."""
    path = tmp_path / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    return load_mapping(path)


def test_every_kind_of_column_is_read(tmp_path: Path) -> None:
    found = mapping(
        tmp_path,
        """
tables:
  items:
    from: workspace_items
    where: status <> 'deleted'
    columns:
      id: {assign: id, order: created_at}
      description: coalesce(description, '')
      origin: {value: timescaledb}
      note: {value: null}
      title: {expression: upper(title)}
      category_id: {lookup: categories, value: category, missing: "null"}
    leave_out: {color: the new screen has no colours}
  categories:
    from: workspace_items
    distinct: true
    columns: {name: category}
  kinds:
    rows: [{id: 1, name: first}, {id: 2, name: null}]
leave_out: {schema_version: the target keeps its own}
""",
    )
    items = found.tables["items"]
    assert (items.source, items.where) == ("workspace_items", "status <> 'deleted'")
    assert items.columns["id"] == ColumnRule("tables.items.columns.id", assign="id", order="created_at")
    assert items.columns["description"].expression == "coalesce(description, '')"
    assert items.columns["origin"].constant == "timescaledb"
    assert items.columns["note"].is_constant
    assert items.columns["note"].constant is None
    assert items.columns["title"].expression == "upper(title)"
    assert items.columns["category_id"] == ColumnRule(
        "tables.items.columns.category_id", expression="category", lookup="categories", missing="null"
    )
    assert items.leave_out == {"color": "the new screen has no colours"}
    assert found.tables["categories"].distinct
    assert found.tables["kinds"].rows == ({"id": 1, "name": "first"}, {"id": 2, "name": None})
    assert found.leave_out == {"schema_version": "the target keeps its own"}


def test_a_table_without_from_comes_from_the_table_of_its_name(tmp_path: Path) -> None:
    assert mapping(tmp_path, "tables: {items: {where: a > 1}}").tables["items"].source == "items"


WRONG = {
    "tables: {items: {form: x}}": ("tables.items.form", "'x'", "from"),
    "tables: {items: {distinct: 3}}": ("tables.items.distinct", "3", "true or false"),
    "tables: {items: {columns: {a: 3}}}": ("tables.items.columns.a", "3", "value:"),
    "tables: {items: {columns: {a: ''}}}": ("tables.items.columns.a", "''", "quotes"),
    "tables: {items: {columns: {a: {}}}}": ("tables.items.columns.a", "", "assign"),
    "tables: {items: {columns: {a: {value: 1, order: b}}}}": ("tables.items.columns.a.order", "'b'", "value"),
    "tables: {items: {columns: {a: {value: [1]}}}}": ("tables.items.columns.a.value", "", "single value"),
    "tables: {items: {columns: {a: {assign: 7}}}}": ("tables.items.columns.a.assign", "7", "quotes"),
    "tables: {items: {columns: {a: {lookup: b}}}}": ("tables.items.columns.a", "'b'", "value:"),
    "tables: {items: {columns: {a: {lookup: b, value: c, missing: skip}}}}": (
        "tables.items.columns.a.missing",
        "'skip'",
        "refuse or null",
    ),
    "tables: {items: {columns: {a: {expression: a, value: 1}}}}": (
        "tables.items.columns.a.expression",
        "'a'",
        "value",
    ),
    "tables: {items: {rows: []}}": ("tables.items.rows", "", "each row"),
    "tables: {items: {rows: [{}]}}": ("tables.items.rows[0]", "", "column: value"),
    "tables: {items: {rows: [{a: 1}, {b: 1}]}}": ("tables.items.rows[1]", "", "same columns"),
    "tables: {items: {rows: [{a: 1}], where: x}}": ("tables.items.where", "'x'", "remove one"),
    "tables: {items: {leave_out: {a: null}}}": ("tables.items.leave_out.a", "", "why"),
    "tables: {items: {leave_out: [a]}}": ("tables.items.leave_out", "", "key: value"),
    "tables: {items: 5}": ("tables.items", "5", "key: value"),
    "tables: {}": ("tables", "", "at least one"),
    "leave_out: {a: b}": ("tables", "", "at least one"),
    "tables: {a: {}}\nmore: 1": ("more", "1", "leave_out"),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_key_is_named_with_its_value_and_what_to_do(tmp_path: Path, text: str) -> None:
    key, value, remedy = WRONG[text]
    with pytest.raises(InputError) as raised:
        mapping(tmp_path, text)
    error = raised.value
    assert error.exit_code == 2
    assert error.where == f"{tmp_path / 'mapping.yaml'}, key {key}"
    assert f"key {key}" in error.what
    assert value in error.what
    assert remedy in f"{error.remedy} {error.what}"


@pytest.mark.parametrize("text", ["", "[1, 2]", "just text"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="not a mapping"):
        mapping(tmp_path, text)


def test_broken_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        mapping(tmp_path, "tables:\n  a: {b\n")
    assert "line" in raised.value.where


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_mapping(tmp_path / "mapping.yaml")


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="twice") as raised:
        mapping(tmp_path, "tables:\n  a:\n    columns:\n      b: c\n      b: d\n")
    assert "line 5" in raised.value.where


def test_the_names_in_an_expression_are_those_that_postgresql_reads() -> None:
    quoted, literal = '"Old ""x"" name"', "'a literal \"Name\"'"
    assert words(f"lower(Kind) || {quoted} || {literal} || 7") == {"lower", "kind", 'Old "x" name'}
    assert words(f"{literal} || 1.5") == set()
