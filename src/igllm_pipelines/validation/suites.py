"""Runs checks as Great Expectations suites.

The only module that imports great_expectations (2.6 s), so import it where it is used.
"""

import os
import warnings
from collections.abc import Sequence
from typing import Any

import pandas as pd

from igllm_pipelines.validation.checks import Check
from igllm_pipelines.validation.tables import Tables

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

with warnings.catch_warnings():
    # optional cloud libraries that it looks for warn while they are imported
    warnings.simplefilter("ignore")
    import great_expectations as gx
    from great_expectations import expectations as gxe

MAX_ROWS = 20
_KEYS = {"objects": ("split", "image", "object"), "scenes": ("split", "image")}


def run_checks(
    checks: Sequence[Check], tables: Tables, split_sizes: dict[str, int]
) -> list[dict[str, Any]]:
    """Runs all checks, and that each split has as many scenes as promised.

    Returns:
        One record a check, in their order: ``check``, ``expectation``, ``column``,
        ``limits``, ``split`` (``all`` for all together), ``valid``, ``failing`` (number
        of rows) and ``rows`` (the first 20 failing rows by split, image, object and
        value). The same tables give the same records: no ids, no times.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("scenes")
    return [
        record
        for split in (None, *split_sizes)
        for table in ("scenes", "objects")
        for record in _run_suite(
            source,
            f"{split or 'all'} {table}",
            _part(getattr(tables, table), split),
            [c for c in checks if (c.table, c.split) == (table, split)],
            split_sizes.get(split) if split and table == "scenes" else None,
        )
    ]


def _part(table: pd.DataFrame, split: str | None) -> pd.DataFrame:
    return table if split is None else table[table["split"] == split]


def _run_suite(
    source: Any, name: str, table: pd.DataFrame, checks: list[Check], rows: int | None
) -> list[dict[str, Any]]:
    """One suite on one table; `rows` is how many the table must have."""
    if not checks and rows is None:
        return []
    table = table.reset_index(drop=True)
    expectations = [_expectation(index, check) for index, check in enumerate(checks)]
    if rows is not None:
        expectations.append(gxe.ExpectTableRowCountToEqual(value=rows))
    batch = (
        source.add_dataframe_asset(name)
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": table})
    )
    suite = gx.ExpectationSuite(name, expectations=expectations)
    result = batch.validate(suite, result_format=_FORMAT)
    by_index = {r.expectation_config.meta.get("index"): r for r in result.results}
    records = [_record(c, by_index[i], table) for i, c in enumerate(checks)]
    if rows is not None:
        records.insert(
            0, _count_record(name.split(maxsplit=1)[0], rows, by_index[None])
        )
    return records


_FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False}


def _expectation(index: int, check: Check) -> Any:
    shared = {"column": check.column, "meta": {"index": index, "check": check.name}}
    limits = check.limits
    match check.kind:
        case "between":
            low, high = limits["low"], limits["high"]
            return gxe.ExpectColumnValuesToBeBetween(
                min_value=low, max_value=high, **shared
            )
        case "in_set":
            words = list(limits["words"])
            return gxe.ExpectColumnValuesToBeInSet(value_set=words, **shared)
        case "not_null":
            return gxe.ExpectColumnValuesToNotBeNull(**shared)
        case "unique":
            return gxe.ExpectColumnValuesToBeUnique(**shared)


def _record(check: Check, result: Any, table: pd.DataFrame) -> dict[str, Any]:
    index = sorted(result.result.get("unexpected_index_list") or [])
    broken = result.exception_info.get("raised_exception")
    valid = bool(result.success) and not broken
    return {
        "check": check.name,
        "expectation": result.expectation_config.type,
        "column": check.column,
        "limits": {k: _plain(v) for k, v in check.limits.items()},
        "split": check.split or "all",
        "valid": valid,
        "failing": len(index),
        "rows": [_row(check, table.loc[i]) for i in index[:MAX_ROWS]],
    }


def _row(check: Check, row: pd.Series) -> dict[str, Any]:
    names = dict.fromkeys((*_KEYS[check.table], check.column, *check.show))
    return {name: _plain(row[name]) for name in names}


def _plain(value: Any) -> Any:
    """A value that JSON can hold; an empty cell is None."""
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _count_record(split: str, expected: int, result: Any) -> dict[str, Any]:
    found = result.result["observed_value"]
    return {
        "check": "number of scenes",
        "expectation": result.expectation_config.type,
        "column": None,
        "limits": {"rows": expected},
        "split": split,
        "valid": bool(result.success),
        "failing": abs(found - expected),
        "rows": [] if result.success else [{"split": split, "scenes": found}],
    }
