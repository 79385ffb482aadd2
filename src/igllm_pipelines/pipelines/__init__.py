"""Kedro pipelines: thin nodes around the domain rooms."""
