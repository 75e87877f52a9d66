"""No secret leaves: values, their encoded forms, URLs and password=... are masked; names of things stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdash.config import load_settings
from wsdash.engine.redact import Redactor
from wsdash.engine.secrets import redactor_for
from wsdash.model import ItemChanged, ItemState, LogLine, TableVerified

SECRET = "tr0ub4dor&3"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"login as x with {SECRET} failed", "login as x with *** failed"),
        ("postgresql://me:pw@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://:pw@host/db", "postgresql://:***@host/db"),
        ("http://localhost:3200/api/items", "http://localhost:3200/api/items"),
        ("host=x password=pw dbname=y", "host=x password=*** dbname=y"),
        ("password='a b c' user=x", "password=*** user=x"),
        ("PGPASSWORD=pw psql", "PGPASSWORD=*** psql"),
        ("POSTGRES_PASSWORD: pw", "POSTGRES_PASSWORD: ***"),
        ('{"password": "pw", "user": "x"}', '{"password": ***, "user": "x"}'),
        ("create role x password 'pw' login", "create role x password *** login"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("https://hook.example/x?token=abc&y=1", "https://hook.example/x?token=***&y=1"),
        ("tr0ub4dor%263 in a URL", "*** in a URL"),
        ('password authentication failed for user "x"', 'password authentication failed for user "x"'),
        ("12 rows copied", "12 rows copied"),
    ],
)
def test_texts_are_cleaned_of_secrets_and_of_nothing_else(text: str, clean: str) -> None:
    assert Redactor([SECRET]).text(text) == clean


@settings(max_examples=100)
@given(
    secret=st.text(min_size=4, max_size=20),
    before=st.text(alphabet="abc .", max_size=8),
    after=st.text(alphabet="abc .", max_size=8),
)
def test_no_secret_survives_in_any_event_text(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    text = f"{before}{secret}{after}"
    event = redactor.event(ItemChanged("backup", ItemState.FAILED, evidence=text, remedy=text, note=text))
    line = redactor.line(LogLine("api", 1.0, "stdout", text))
    for shown in (event.evidence, event.remedy, event.note, line.text):
        assert secret not in shown.replace("***", "\0")


def test_inner_texts_of_an_event_are_cleaned_and_its_names_stay() -> None:
    event = TableVerified("workspace", 1, 1, "a", "b", False, differences=("key 1: workspace != other",))
    clean = Redactor(["workspace"]).event(event)
    assert clean.name == "workspace"
    assert clean.differences == ("key 1: *** != other",)


def test_a_secret_that_is_also_a_name_of_the_settings_is_told_as_indistinct() -> None:
    redactor = Redactor(["workspace", SECRET], public=["workspace-db-compute"])
    assert redactor.indistinct == {"workspace"}
    assert redactor.text(f"workspace {SECRET}") == "workspace ***"


def test_an_event_without_secrets_is_handed_on_as_it_is() -> None:
    event = ItemChanged("backup", ItemState.DONE, "4 rows")
    assert Redactor([SECRET]).event(event) is event


def test_passwords_of_settings_files_and_pgpass_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "target-password").write_text("from-a-file\n")
    (tmp_path / "pgpass").write_text("# comment:a:b:c:d\nhost:5432:*:me:from\\:pgpass\n")
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    monkeypatch.setenv("WSDASH_SOURCE_PASSWORD", "from-the-environment")
    monkeypatch.setenv("WSDASH__TARGET__PASSWORD_ENV", "''")
    monkeypatch.setenv("WSDASH__TARGET__PASSWORD_FILE", str(tmp_path / "target-password"))
    redactor = redactor_for(load_settings(), tmp_path)
    text = "from-a-file, from:pgpass, from-the-environment"
    assert redactor.text(text) == "***, ***, ***"
