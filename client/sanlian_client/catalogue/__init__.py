"""Catalogues of departments as files: read, check, import, export."""

from sanlian_client.catalogue.problems import Place, Problems, SheetProblem
from sanlian_client.catalogue.reading import (
    CatalogueEntry,
    CatalogueFile,
    keep_indices,
    read_catalogue,
)
from sanlian_client.catalogue.sheets import MAX_FILE_SIZE
from sanlian_client.catalogue.writing import write_csv, write_xlsx

__all__ = [
    "MAX_FILE_SIZE",
    "CatalogueEntry",
    "CatalogueFile",
    "Place",
    "Problems",
    "SheetProblem",
    "keep_indices",
    "read_catalogue",
    "write_csv",
    "write_xlsx",
]
