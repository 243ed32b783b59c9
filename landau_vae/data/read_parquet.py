"""Parquet → named columns, streamed by row groups."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from landau_vae.data.tables import as_table, rows_at_a_time

__all__ = ["from_row", "open_parquet"]

Rows = Callable[[list[int], int], Iterator[NDArray[Any]]]  # columns to keep, first row → blocks of rows


def open_parquet(path: Path) -> tuple[tuple[str, ...], Rows, int]:
    """Names of the columns, what goes through the rows, and how many there are."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    schema = pq.read_schema(path)
    stored_index = (schema.pandas_metadata or {}).get("index_columns", [])
    names = tuple(name for name in schema.names if name not in stored_index)

    def rows(keep: list[int], first: int) -> Iterator[NDArray[Any]]:
        columns = [names[i] for i in keep]
        size = rows_at_a_time(len(columns))
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):  # one at a time: Arrow keeps what it has read of a file
                length = metadata.row_group(group).num_rows
                if length > first:
                    batches = file.iter_batches(batch_size=size, row_groups=[group], columns=columns)
                    frames = (batch.to_pandas(ignore_metadata=True)[columns] for batch in batches)
                    yield from from_row((as_table(frame)[0] for frame in frames), first)
                first = max(0, first - length)

    return names, rows, metadata.num_rows


def from_row(blocks: Iterator[NDArray[Any]], first: int) -> Iterator[NDArray[Any]]:
    """What is left of a stream after its first rows."""
    for block in blocks:
        if len(block) > first:
            yield block[first:]
        first = max(0, first - len(block))
