"""What comes from outside wsdash is bounded and cleaned here, where it enters.

`text` takes the power out of control characters, `documents` reads JSON and YAML of bounded size and depth,
`http` reads bodies of bounded size, also of what they unpack to, `files` reads whole files, `severity` how
grave a log line is. The other way, `text` writes our own signs where only plain ones are taken.

Outside is everything that wsdash did not make in this process: servers' words, names in catalogs, answers,
logs, files, journals of other versions, messages on sockets, environment variables and keys.
"""

from __future__ import annotations

from wsdash.outside.documents import DocumentError, read_json, read_yaml
from wsdash.outside.files import LARGEST_FILE, read_file, read_text_file
from wsdash.outside.text import (
    HARMFUL,
    LONGEST_TEXT,
    PLAIN_SIGNS,
    change_texts,
    clean,
    clean_texts,
    in_plain,
    plain_signs_wanted,
    without_sequences,
)

__all__ = [
    "HARMFUL",
    "LARGEST_FILE",
    "LONGEST_TEXT",
    "PLAIN_SIGNS",
    "DocumentError",
    "change_texts",
    "clean",
    "clean_texts",
    "in_plain",
    "plain_signs_wanted",
    "read_file",
    "read_json",
    "read_text_file",
    "read_yaml",
    "without_sequences",
]
