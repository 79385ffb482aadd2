"""Runs checks as Great Expectations suites.

The only module that imports great_expectations (2.6 s), so import it where it is used.
"""

import logging
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from igllm_pipelines.validation.checks import Check
from igllm_pipelines.validation.tables import Tables

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

with warnings.catch_warnings():
    # optional cloud libraries that it looks for warn while they are imported
    warnings.simplefilter("ignore")
    import great_expectations as gx
    from great_expectations import expectations as gxe

# this module of theirs sets its own level to INFO when it is imported
logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARN)

MAX_ROWS = 20
_SOURCE = "labels"
_PAGES = (".html", ".css", ".svg", ".ico", ".png")  # no fonts, no films of 3 MB
_KEYS = {"objects": ("split", "image", "object"), "scenes": ("split", "image")}


class Checked(NamedTuple):
    """What became of the checks.

    Attributes:
        records: one a check, in their order: ``check``, ``expectation``, ``column``,
            ``limits``, ``split`` (``all`` for all together), ``valid``, ``failing``
            (number of rows) and ``rows`` (the first 20 failing rows by split, image,
            object and value). The same tables give the same records: no ids, no times.
        context: of Great Expectations; it holds the results that `data_docs` shows.
    """

    records: list[dict[str, Any]]
    context: Any


def run_checks(
    checks: Sequence[Check],
    tables: Tables,
    splits: Sequence[str],
    split_sizes: Mapping[str, int],
) -> Checked:
    """Runs all checks, and that each split has as many scenes as promised.

    Args:
        checks: what must hold.
        tables: of all splits.
        splits: those whose own checks are run.
        split_sizes: numbers of scenes of the splits where one is promised.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    context.data_sources.add_pandas(_SOURCE)
    records = [
        record
        for split in (None, *splits)
        for table in ("scenes", "objects")
        for record in _run_suite(
            context,
            f"{split or 'all'}_{table}",
            _part(getattr(tables, table), split),
            [c for c in checks if (c.table, c.split) == (table, split)],
            split_sizes.get(split) if split and table == "scenes" else None,
        )
    ]
    return Checked(records, context)


def data_docs(context: Any) -> dict[str, bytes]:
    """The HTML pages of Great Expectations, by path; ``index.html`` leads to all.

    They name the time of the check, so no two runs give the same pages. Styles and
    scripts come from the network when a page is opened; without it the text stays.
    """
    store = {"class_name": "TupleFilesystemStoreBackend"}
    with tempfile.TemporaryDirectory() as folder:
        context.add_data_docs_site(
            "labels",
            {
                "class_name": "SiteBuilder",
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
                "store_backend": {**store, "base_directory": folder},
            },
        )
        context.build_data_docs(site_names=["labels"])  # and no other, which would stay
        context.delete_data_docs_site("labels")
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(Path(folder).rglob("*"))
            if path.suffix in _PAGES
        }


def _part(table: pd.DataFrame, split: str | None) -> pd.DataFrame:
    return table if split is None else table[table["split"] == split]


def _run_suite(
    context: Any, name: str, table: pd.DataFrame, checks: list[Check], rows: int | None
) -> list[dict[str, Any]]:
    """One suite on one table; `rows` is how many the table must have."""
    if not checks and rows is None:
        return []
    table = table.reset_index(drop=True)
    expectations = [_expectation(index, check) for index, check in enumerate(checks)]
    if rows is not None:
        expectations.append(gxe.ExpectTableRowCountToEqual(value=rows))
    result = _validate(context, name, table, expectations)
    by_index = {r.expectation_config.meta.get("index"): r for r in result.results}
    records = [_record(c, by_index[i], table) for i, c in enumerate(checks)]
    if rows is not None:
        split = name.rpartition("_")[0]
        records.insert(0, _count_record(split, rows, by_index[None]))
    return records


def _validate(
    context: Any, name: str, table: pd.DataFrame, expectations: list[Any]
) -> Any:
    """The result of a suite, which the context keeps."""
    suite = gx.ExpectationSuite(name, expectations=expectations)
    data = (
        context.data_sources.get(_SOURCE)
        .add_dataframe_asset(name)
        .add_batch_definition_whole_dataframe("all")
    )
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=name, data=data, suite=context.suites.add(suite))
    )
    batch = {"dataframe": _for_pages(table)}
    return definition.run(batch_parameters=batch, result_format=_FORMAT)


def _for_pages(table: pd.DataFrame) -> pd.DataFrame:
    """Names without tags in them: the pages show what they were given as it stands."""
    texts = [str(name) for name in table if table[name].dtype.kind == "O"]
    return table.assign(**{name: table[name].map(_without_tags) for name in texts})


def _without_tags(value: Any) -> Any:
    return escape(value) if isinstance(value, str) else value


_FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False}


def _expectation(index: int, check: Check) -> Any:
    shared = {
        "column": check.column,
        "meta": {"index": index},
        "description": _description(check),
    }
    limits = check.limits
    match check.kind:
        case "between":
            low, high = limits["low"], limits["high"]
            return gxe.ExpectColumnValuesToBeBetween(
                min_value=low, max_value=high, **shared
            )
        case "in_set":
            words = [_without_tags(word) for word in limits["words"]]
            return gxe.ExpectColumnValuesToBeInSet(value_set=words, **shared)
        case "not_null":
            return gxe.ExpectColumnValuesToNotBeNull(**shared)
        case "unique":
            return gxe.ExpectColumnValuesToBeUnique(**shared)


def _description(check: Check) -> str:
    """The check in plain words, as the pages show it."""
    limits = ", ".join(f"{name} {value}" for name, value in check.limits.items())
    return escape(f"{check.name} ({limits})" if limits else check.name, quote=False)


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
