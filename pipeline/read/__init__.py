"""The one reader of users' files: rows as they are, bytes and all, with every fault named.

    for row in rows(Path("tickets.csv"), problems.append):
        row.values["subject"], row.data, f"tickets.csv:{row.number}"

What is read: `.jsonl`, `.ndjson`, `.json` (an array, one object, or objects one after the other),
`.csv`, `.tsv`, `.parquet`, each also packed by gzip. Memory does not grow with the number of rows.

What happens to a row that is not as it should be is the same everywhere: it is **refused** (left out, and
a Problem of severity error says so) where keeping it would mean guessing or changing it, and **kept**
with a Problem of severity warning or note where its content is certain.

Refused, an error: not JSON or torn (`json`) · not an object (`not-an-object`) · NaN, Infinity, 1e999 (`not-a-number`)
· half a surrogate pair (`lone-surrogate`) · nested over 200 deep (`too-deep`) · bytes that the encoding does not have
(`encoding`) · more or fewer cells than columns (`cells`) · quotes that do not match (`quote`) · over 128 MiB
(`too-long`) · gzip or Parquet data that is damaged or ends early (`gzip`, `parquet`): what comes before is kept.

Kept, a warning: a key twice in one object, where the last counts (`duplicate-key`) · a whole number beyond 64 bits,
as a text (`big-number`) · U+0000 in a text (`nul`) · a column without a name, or with another's (`header`) · a file
without a row (`empty`) · in Parquet infinity as missing, and bytes left out (`not-a-number`, `binary`).

Kept, a note: byte order mark (`bom`) · CRLF (`crlf`) · blank lines, skipped (`blank-line`) · no line break at the end
(`no-final-newline`) · JSON that is not a row per line (`not-lines`) · in Parquet NaN as missing (`not-a-number`).

Texts are never stripped or normalised. U+2028, U+2029, U+0085 and form feeds are no line breaks.
"""

from __future__ import annotations

from ._encoding import encoding_fault, encoding_of
from ._rows import Batch, Row, Sound, columns, file_digest, file_sha256, kind, rows, shortened, sifted

__all__ = [
    "Batch", "Row", "Sound", "columns", "encoding_fault", "encoding_of", "file_digest", "file_sha256", "kind", "rows",
    "shortened", "sifted",
]
