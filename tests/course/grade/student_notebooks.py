"""Notebooks as students hand them in."""

import json
from pathlib import Path
from typing import Any

import nbformat


def notebook(path: Path, cells: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    path.write_text(nbformat.writes(book), encoding="utf-8")
    return path


def raw_notebook(path: Path, cells: Any) -> Path:
    """A file with cells as no Jupyter writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}), encoding="utf-8"
    )
    return path
