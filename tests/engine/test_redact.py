"""No secret leaves: values, their encoded forms, URLs and password=... are masked; names of things stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdash.config import load_settings
from wsdash.engine.journal.redact import HINT, Redactor, may_hold_secret, redactor_for
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
        ("psql --password s3cr3t -h x", "psql --password *** -h x"),
        ("mysql -pass s3cr3t", "mysql -pass ***"),
        ("pass=s3cr3t user=x", "pass=*** user=x"),
        ("PWD: s3cr3t", "PWD: ***"),
        ("postgresql://me:a/b@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:a@b@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://me:a%2Fb?c#d@host/db", "postgresql://me:***@host/db"),
        ("https://hooks.slack.com/services/T0/B0/abcDEF", "https://hooks.slack.com/services/***"),
        ("https://x.webhook.office.com/webhookb2/1@2/I/3", "https://x.webhook.office.com/***"),
        (
            "post https://discord.com/api/webhooks/12/ab-c now",
            "post https://discord.com/api/webhooks/*** now",
        ),
        ("https://discordapp.com/api/v10/webhooks/12/ab", "https://discordapp.com/api/v10/webhooks/***"),
        ("Authorization: Basic dXNlcjpwdw==", "Authorization: Basic ***"),
        ("authorization: s3cr3ttoken", "authorization: ***"),
        ('{"Authorization": "Basic dXNlcjpwdw=="}', '{"Authorization": "Basic ***"}'),
        ("curl -H 'Bearer abcdefghijklmnop'", "curl -H 'Bearer ***'"),
        ("key AKIAIOSFODNN7EXAMPLE used", "key *** used"),
        ("aws_secret_access_key = wJalrXUt/nFEMI", "aws_secret_access_key = ***"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP", "jwt ***"),
        ("a basic check of the table", "a basic check of the table"),
        ("https://example.org/a@b", "https://example.org/a@b"),
        ("the compass=north of it", "the compass=north of it"),
        ("https://docs.slack.com/services/x", "https://docs.slack.com/services/x"),
    ],
)
def test_texts_are_cleaned_of_secrets_and_of_nothing_else(text: str, clean: str) -> None:
    assert Redactor([SECRET]).text(text) == clean


def log(*texts: str, secret: str = SECRET) -> list[str]:
    """The lines of one container after a redactor that knows the secret saw them."""
    redactor = Redactor([secret], ["workspace"])
    return [redactor.line(LogLine("api", 1.0, "stdout", text)).text for text in texts]


@pytest.mark.parametrize("cut", range(1, len(SECRET)))
@pytest.mark.parametrize(("end", "begin"), [("", ""), ("\\", "    "), ('"', '  + "')])
def test_of_a_secret_that_a_log_breaks_over_two_lines_at_most_the_lesser_part_stays(
    cut: int, end: str, begin: str
) -> None:
    first, second = log(f"the password is {SECRET[:cut]}{end}", f"{begin}{SECRET[cut:]} and so on")
    left = [part for part, line in ((SECRET[:cut], first), (SECRET[cut:], second)) if part in line]
    assert len("".join(left)) <= len(SECRET) // 2
    assert "***" in first + second
    assert (first.startswith("the password is "), second.endswith(" and so on")) == (True, True)


def test_words_that_happen_to_end_as_a_secret_begins_are_left_alone() -> None:
    lines = ("it costs tr0u", "3 rows", "nothing of it", "in schema workspace")
    assert log(*lines) == list(lines)
    assert log(*lines, secret="workspace-s1") == list(lines)


@pytest.mark.parametrize("end", ["password:", "PGPASSWORD=\\", "api_key: >", '"token":'])
def test_the_word_after_a_line_that_ends_before_a_secret_is_masked(end: str) -> None:
    assert log(f"x {end}", "  s3cr3t rest", "s3cr3t is left")[1:] == ["  *** rest", "s3cr3t is left"]
    redactor = Redactor()
    redactor.line(LogLine("a", 1.0, "stdout", f"x {end}"))
    other = redactor.line(LogLine("b", 1.0, "stdout", "word"))
    assert other.text == "word", "another container's line goes on from nothing"


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


WORDS = [
    *("://", "pass", "PWD", "Secret", "token", "api", "key", "access", "_", "-", "authorization", "basic"),
    *("bearer", " ", "AKIA", "asia", "eyJ", "gh", "p", "s", "xox", "sk", "private", "ſk-", "pa", "ss", "\t"),
]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(WORDS), max_size=6).map("".join))
def test_the_quick_look_for_secrets_sees_what_the_thorough_one_does(text: str) -> None:
    assert may_hold_secret(text) == bool(HINT.search(text))
