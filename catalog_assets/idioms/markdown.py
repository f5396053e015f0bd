"""Tables and images for asset metadata, which the web UI renders; texts are escaped, as they may be a partner's."""

import base64

import dagster as dg
import polars as pl

from catalog.escaping.markdown import markdown_text


def table(frame: pl.DataFrame) -> str:
    """Render a frame as a Markdown table; floats are rounded to four places, texts and names of columns escaped."""
    rounded = frame.with_columns(pl.selectors.float().cast(pl.Float64).round(4))
    lines = [" | ".join(map(markdown_text, rounded.columns)), " | ".join("---" for _ in rounded.columns)]
    lines += [
        " | ".join("" if cell is None else markdown_text(str(cell)) for cell in row) for row in rounded.iter_rows()
    ]
    return "\n".join(f"| {line} |" for line in lines)


def image_markdown(png: bytes, caption: str) -> str:
    """Render a PNG as a Markdown image, embedded as a data URL."""
    return f"![{markdown_text(caption)}](data:image/png;base64,{base64.b64encode(png).decode()})"


def records(frame: pl.DataFrame) -> dg.TableMetadataValue:
    """Convert a frame to table metadata with typed columns; floats are rounded to four places."""
    rounded = frame.with_columns(pl.selectors.float().cast(pl.Float64).round(4))
    columns = [
        dg.TableColumn(name, "float" if dtype.is_float() else "int" if dtype.is_integer() else "string")
        for name, dtype in frame.schema.items()
    ]
    return dg.MetadataValue.table(
        [dg.TableRecord(row) for row in rounded.iter_rows(named=True)], dg.TableSchema(columns=columns)
    )
