"""A table of the target that is fed by several of the source: written in the mapping, copied, proven equal.

The case is the field's: the target wants a row for each category that an item names, and the source's own
table of categories lacks some of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.copying import fetch, ignore, run_sql
from tests.data.mapping_world import fitted, make_target, mapped_request
from wsdash.data.copy.run import copy_tables
from wsdash.data.mapping.types import MappedTables
from wsdash.data.pg.connect import Endpoint, connection
from wsdash.data.verify.run import verify_tables
from wsdash.errors import InputError

SOURCE = """
CREATE SCHEMA s;
CREATE TABLE s.categories (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name varchar(100) NOT NULL UNIQUE,
  description text, display_order integer DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE s.items (id uuid PRIMARY KEY, title text NOT NULL, category varchar(50) NOT NULL);
INSERT INTO s.categories (name, description, display_order)
VALUES ('dashboard', 'Screens', 1), ('idle', NULL, 2);
INSERT INTO s.items SELECT md5(n::text)::uuid, 'item ' || n,
  (ARRAY['dashboard', 'coleta', 'riscos'])[1 + n % 3]
FROM generate_series(1, 30) n;
"""
TARGET = """
CREATE SCHEMA s;
CREATE TABLE s.categories (name varchar(50) PRIMARY KEY, display_name varchar(100) NOT NULL UNIQUE,
  description text, sort_order integer DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE s.items (id serial PRIMARY KEY, title text NOT NULL,
  category varchar(50) NOT NULL REFERENCES s.categories (name));
INSERT INTO s.categories (name, display_name, sort_order) VALUES
  ('dashboard', 'Dashboard', 6), ('other', 'Other', 7) ON CONFLICT (name) DO NOTHING;
"""
UNION = """
    union:
      - from: categories
        columns: {display_name: initcap(name), sort_order: display_order}
        leave_out: {id: the name is the key, created_at: the other part has none}
      - from: items
        distinct: true
        columns: {name: category, display_name: initcap(category), description: {value: null},
                  sort_order: {value: 0}}
"""
MAPPING = """
tables:
  categories:{union}    {by}
  items: {{columns: {{id: {{assign: id, order: title}}}}}}
"""
CATEGORIES = "SELECT name, display_name, description, sort_order FROM s.categories ORDER BY name"
EXPECTED = [
    ("coleta", "Coleta", None, 0),
    ("dashboard", "Dashboard", "Screens", 1),
    ("idle", "Idle", None, 2),
    ("riscos", "Riscos", None, 0),
]


async def world(
    source: Endpoint, target: Endpoint, directory: Path, by: str = "by: name", union: str = UNION
) -> MappedTables:
    """Both schemas and the mapping."""
    await run_sql(source, SOURCE)
    (directory / "target.sql").write_text(TARGET)
    await make_target(target, directory / "target.sql", "s")
    (directory / "mapping.yaml").write_text(MAPPING.format(union=union, by=by))
    return await fitted(source, target, directory / "mapping.yaml", "s")


async def differences(source: Endpoint, target: Endpoint, fitting: MappedTables) -> list[str]:
    """What a comparison finds in the categories."""
    found = await verify_tables(source, target, fitting.tables, on_table=lambda _: None, workers=2)
    categories = next(one for one in found if one.name == "s.categories")
    assert categories.match == (not categories.differences)
    return list(categories.differences)


async def test_the_union_arrives_in_the_place_of_the_seed_rows_and_is_proven_equal(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    fitting = await world(source, target, tmp_path)
    await copy_tables(await mapped_request(source, target, fitting, schema="s"), ignore)
    assert [tuple(row) for row in await fetch(target, CATEGORIES)] == EXPECTED
    assert (await fetch(target, "SELECT count(*) FROM s.items"))[0][0] == 30
    assert await differences(source, target, fitting) == []


@pytest.mark.parametrize(
    ("side", "change", "told"),
    [
        ("target", "DELETE FROM s.categories WHERE name = 'idle'", "missing in"),
        ("target", "INSERT INTO s.categories (name, display_name) VALUES ('more', 'More')", "only in"),
        ("target", "UPDATE s.categories SET sort_order = 3 WHERE name = 'riscos'", "sort_order"),
        ("source", "UPDATE s.items SET category = 'late' WHERE title = 'item 7'", "late"),
        ("source", "INSERT INTO s.categories (name, description) VALUES ('coleta', 'late')", "description"),
    ],
)
async def test_a_category_that_is_missing_or_differs_is_found(
    source: Endpoint, target: Endpoint, tmp_path: Path, side: str, change: str, told: str
) -> None:
    fitting = await world(source, target, tmp_path)
    await copy_tables(await mapped_request(source, target, fitting, schema="s"), ignore)
    await run_sql(source if side == "source" else target, change)
    assert told in " ".join(await differences(source, target, fitting))


async def test_new_keys_are_given_over_the_union(source: Endpoint, target: Endpoint, tmp_path: Path) -> None:
    await run_sql(source, SOURCE)
    await run_sql(
        target,
        "CREATE SCHEMA s",
        "CREATE TABLE s.categories (id serial PRIMARY KEY, name text UNIQUE)",
        "CREATE TABLE s.items (title text, category_id integer NOT NULL REFERENCES s.categories (id))",
    )
    (tmp_path / "mapping.yaml").write_text("""
tables:
  categories:
    union:
      - {leave_out: {id: new, description: x, display_order: x, created_at: x}}
      - {from: items, distinct: true, columns: {name: category}}
    by: [name]
    columns: {id: {assign: name}}
  items:
    columns: {category_id: {lookup: categories, value: category}}
    leave_out: {id: none there}
""")
    fitting = await fitted(source, target, tmp_path / "mapping.yaml", "s")
    await copy_tables(await mapped_request(source, target, fitting, schema="s"), ignore)
    rows = await fetch(
        target,
        "SELECT c.id, c.name, count(i) FROM s.categories c LEFT JOIN s.items i ON i.category_id = c.id "
        "GROUP BY 1 ORDER BY 1",
    )
    assert [tuple(row) for row in rows] == [
        (1, "coleta", 10),
        (2, "dashboard", 10),
        (3, "idle", 0),
        (4, "riscos", 10),
    ]
    assert await differences(source, target, fitting) == []


WRONG = {
    "a key twice": ("", UNION, "would refuse rows: name=dashboard 2 times", "tables.categories.union"),
    "an unknown key": ("by: title", UNION, "no part of the union gives column title", "tables.categories.by"),
    "parts that differ": (
        "by: name",
        UNION.replace("description: {value: null},", ""),
        "this part of the union does not give column description",
        "tables.categories.union[1].columns.description",
    ),
    "an unknown table": (
        "by: name",
        UNION.replace("from: items", "from: ideas"),
        "the source has no table ideas",
        "tables.categories.union[1].from",
    ),
    "an expression that fails": (
        "by: name",
        UNION.replace("initcap(category)", "initcap(kind)"),
        'column "kind" does not exist',
        "tables.categories.union[1].columns.display_name",
    ),
    "a new key in a part": (
        "by: name",
        UNION.replace("sort_order: {value: 0}", "sort_order: {assign: category}"),
        "a part of a union does not give new keys",
        "tables.categories.union[1].columns.sort_order",
    ),
    "one part": (
        "",
        "\n    union: [{from: items}]\n",
        "it is not a list of parts",
        "tables.categories.union",
    ),
    "a source beside it": ("from: items", UNION, "it is given beside union", "tables.categories.from"),
    "a lost column": (
        "by: name",
        UNION.replace("id: the name is the key, ", ""),
        "column id of the source's table categories goes nowhere",
        "tables.categories.union[0].columns",
    ),
    "a value that changes": (
        "by: name",
        UNION.replace("initcap(category)", "now()::text"),
        "now gives another value each time",
        "tables.categories.union[1].columns.display_name",
    ),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_union_that_does_not_fit_is_refused_by_key(
    source: Endpoint, target: Endpoint, tmp_path: Path, what: str
) -> None:
    by, union, told, key = WRONG[what]
    with pytest.raises(InputError) as caught:
        await world(source, target, tmp_path, by, union)
    assert told in caught.value.what
    assert caught.value.where.endswith(f"key {key}")
    assert caught.value.remedy


NAMES = st.sampled_from(["a", "A", "é", "b c", "", "'"])


async def test_whatever_the_rows_the_union_holds_each_name_once(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    @given(st.sets(NAMES), st.lists(NAMES, max_size=8))
    @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def draw(own: set[str], named: list[str]) -> None:
        examples.append((own, named))

    examples: list[tuple[set[str], list[str]]] = []
    draw()
    await run_sql(source, SOURCE)
    await run_sql(
        target,
        "CREATE SCHEMA s; CREATE TABLE s.categories (name varchar(50) PRIMARY KEY, description text)",
    )
    (tmp_path / "mapping.yaml").write_text("""
tables:
  categories:
    union:
      - {leave_out: {id: x, display_order: x, created_at: x}}
      - {from: items, distinct: true, columns: {name: category, description: {value: from an item}}}
    by: name
""")
    for own, named in examples:
        await run_sql(source, "TRUNCATE s.categories, s.items")
        async with connection(source, read_only=False) as conn:
            await conn.executemany(
                "INSERT INTO s.categories (name, description) VALUES ($1, 'own')", [(one,) for one in own]
            )
            await conn.executemany(
                "INSERT INTO s.items VALUES (gen_random_uuid(), '', $1)", [(one,) for one in named]
            )
        fitting = await fitted(source, target, tmp_path / "mapping.yaml", "s")
        await copy_tables(await mapped_request(source, target, fitting, schema="s"), ignore)
        arrived = await fetch(target, "SELECT name, description FROM s.categories")
        expected = dict.fromkeys(named, "from an item") | dict.fromkeys(own, "own")
        assert {row[0]: row[1] for row in arrived} == expected
        assert await differences(source, target, fitting) == []


FIELD_SOURCE = """
CREATE SCHEMA workspace;
CREATE TABLE workspace.workspace_categories (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name varchar(100) NOT NULL UNIQUE, description text,
  color varchar(7) DEFAULT '#6B7280', icon varchar(50), display_order integer DEFAULT 0,
  is_active boolean DEFAULT true, created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(), created_by varchar(255));
CREATE TABLE workspace.workspace_items (
  id uuid DEFAULT gen_random_uuid(), title varchar(255) NOT NULL, description text,
  category varchar(50) NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id, created_at));
INSERT INTO workspace.workspace_categories (name, display_order) VALUES ('dados', 8), ('dashboard', 9);
INSERT INTO workspace.workspace_items (title, category)
VALUES ('a', 'dados'), ('b', 'banco-dados'), ('c', 'banco-dados');
"""
FIELD_TARGET = """
CREATE SCHEMA workspace;
CREATE TABLE workspace.workspace_categories (
  name varchar(50) PRIMARY KEY, display_name varchar(100) NOT NULL, description text,
  is_active boolean NOT NULL DEFAULT true, sort_order integer DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz,
  CONSTRAINT unique_display_name UNIQUE (display_name));
CREATE TABLE workspace.workspace_items (
  id serial PRIMARY KEY, title text NOT NULL, description text NOT NULL, category varchar(50) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT fk_category FOREIGN KEY (category) REFERENCES workspace.workspace_categories (name)
    ON UPDATE CASCADE ON DELETE RESTRICT);
INSERT INTO workspace.workspace_categories (name, display_name, description, sort_order) VALUES
  ('banco-dados', 'Banco de Dados', 'Schemas', 3), ('dashboard', 'Dashboard', 'Screens', 6)
ON CONFLICT (name) DO NOTHING;
"""


async def test_the_example_of_the_documentation_fits_the_fields_schemas(
    source: Endpoint, target: Endpoint, tmp_path: Path
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text()
    example = next(part for part in text.split("```") if "union:" in part)
    (tmp_path / "mapping.yaml").write_text(example.removeprefix("yaml"))
    (tmp_path / "target.sql").write_text(FIELD_TARGET)
    await run_sql(source, FIELD_SOURCE)
    await make_target(target, tmp_path / "target.sql")
    fitting = await fitted(source, target, tmp_path / "mapping.yaml")
    await copy_tables(await mapped_request(source, target, fitting), ignore)
    rows = await fetch(target, "SELECT name, sort_order FROM workspace.workspace_categories ORDER BY 1")
    assert [tuple(row) for row in rows] == [("banco-dados", 0), ("dados", 8), ("dashboard", 9)]
    found = await verify_tables(source, target, fitting.tables, on_table=lambda _: None, workers=1)
    assert [one.differences for one in found if not one.match] == []
