"""A small notes service of other tables than the workspace's: `python -m tests.support.notes_service PORT`.

NOTES_DSN names its database, NOTES_COLUMN the column of a note's text. It has no health page: what it does
not know is an HTML page with 404, as a framework's default is. Ids are numbers; a note is changed by PATCH; a
trigger keeps each note's history. A database that is closed for now is 503 with Retry-After.
"""

from __future__ import annotations

import os
import sys

import asyncpg
from aiohttp import web

SCHEMA = """
CREATE SCHEMA notes;
CREATE TABLE notes.label (name text PRIMARY KEY);
CREATE TABLE notes.note (id serial PRIMARY KEY, text text NOT NULL, label text REFERENCES notes.label,
                         written timestamptz NOT NULL DEFAULT now());
CREATE TABLE notes.history (note_id int, what text, at timestamptz NOT NULL DEFAULT now());
CREATE FUNCTION notes.remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO notes.history (note_id, what) VALUES (coalesce(NEW.id, OLD.id), TG_OP); RETURN NULL; END $$;
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON notes.note
  FOR EACH ROW EXECUTE FUNCTION notes.remember();
INSERT INTO notes.label VALUES ('home'), ('work');
INSERT INTO notes.note (text, label) SELECT 'note ' || i, 'work' FROM generate_series(1, 25) i;
"""
COLUMN = os.environ.get("NOTES_COLUMN", "text")
NOTES = f"SELECT id, {COLUMN} AS text, label FROM notes.note"
MAKE = f"INSERT INTO notes.note ({COLUMN}, label) VALUES ($1, $2) RETURNING id, {COLUMN} AS text, label"
CHANGE = f"UPDATE notes.note SET {COLUMN} = $2 WHERE id = $1"


async def _session(application: web.Application) -> asyncpg.Connection:
    return await asyncpg.connect(os.environ["NOTES_DSN"])


async def answer(request: web.Request) -> web.Response:
    parts = [part for part in request.path.split("/") if part]
    if not parts or parts[0] != "notes":
        return _unknown()
    conn = await _session(request.app)
    try:
        if request.method == "POST":
            body = await request.json()
            made = await conn.fetch(MAKE, body["text"], "home")
            return web.json_response(dict(made[0]), status=201)
        if len(parts) == 1:
            rows = [dict(row) for row in await conn.fetch(NOTES)]
            return web.json_response({"count": len(rows), "items": rows})
        number = int(parts[1])
        if request.method == "PATCH":
            text = (await request.json())["text"]
            await conn.execute(CHANGE, number, text)
        if request.method == "DELETE":
            await conn.execute("DELETE FROM notes.note WHERE id = $1", number)
            return web.Response(status=204)
        row = await conn.fetchrow(NOTES + " WHERE id = $1", number)
        return web.json_response(dict(row)) if row is not None else _unknown()
    except asyncpg.CannotConnectNowError:
        return web.Response(status=503, headers={"Retry-After": "1"}, text="closed for a moment")
    finally:
        await conn.close()


def _unknown() -> web.Response:
    return web.Response(status=404, text="<!doctype html><h1>Not found</h1>", content_type="text/html")


if __name__ == "__main__":
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
