"""The filter that releases exactly the granted items of a provider's response, masked by rule."""

from functools import lru_cache

from protocol.documents.interface import InterfaceDocument
from protocol.documents.masks import apply_masks

#: Tree of patterns: part -> subtree; None marks that everything below is released.
_Tree = dict[str, "_Tree | None"]


@lru_cache(maxsize=1024)
def _tree(patterns: tuple[tuple[str, ...], ...]) -> _Tree:
    """Return the tree of patterns; it is shared, and nobody changes it."""
    root: _Tree = {}
    for pattern in patterns:
        node = root
        for part in pattern[:-1]:
            below = node.setdefault(part, {})
            if below is None:  # a shorter pattern releases all of it already
                break
            node = below
        else:
            node[pattern[-1]] = None
    return root


_ABSENT = object()


def _filter(value: object, *trees: _Tree) -> object:
    """Keep what some pattern names; objects and lists stay as containers of what is kept."""
    if isinstance(value, dict):
        kept: dict[str, object] = {}
        for name, member in value.items():
            result = _descend(
                member,
                [
                    tree.get(part, _ABSENT)
                    for tree in trees
                    for part in ((name, "*") if name != "*" else ("*",))
                ],
            )
            if result is not _ABSENT:
                kept[name] = result
        return kept if kept else _ABSENT
    if isinstance(value, list):
        elements = []
        for index, member in enumerate(value):
            result = _descend(
                member, [tree.get(part, _ABSENT) for tree in trees for part in (str(index), "*")]
            )
            if result is not _ABSENT:
                elements.append(result)
        return elements
    return _ABSENT


def _descend(member: object, found: list[object]) -> object:
    if any(subtree is None for subtree in found):
        return member
    below = [subtree for subtree in found if isinstance(subtree, dict)]
    return _filter(member, *below) if below else _ABSENT


def filter_items(document: InterfaceDocument, data: object, mask: int) -> tuple[object, int]:
    """Return the part of a provider's response that the mask's items name, and its row count.

    Args:
        document: the interface's description.
        data: the response as JSON values.
        mask: effective items; bit i is item i.

    Returns:
        What may be released, masked (an empty object where nothing matches), and the number of
        records at records_pointer in the response: elements of a list, members of an object that
        patterns go through with `*`, else 1, and 0 where it is absent.
    """
    patterns = tuple(p for index, ps in document.items.items() if mask >> index & 1 for p in ps)
    rules = [(p, rule) for index, rule in document.masks.items() for p in document.items[index]]
    kept = _filter(apply_masks(data, rules) if rules else data, _tree(patterns))
    at: object = data
    for part in document.records_pointer:
        at = at.get(part, _ABSENT) if isinstance(at, dict) else _ABSENT
    return ({} if kept is _ABSENT else kept), _count_rows(document, at)


def _count_rows(document: InterfaceDocument, records: object) -> int:
    """Return the number of records; in an object each member is one where patterns say so."""
    if records is _ABSENT:
        return 0
    depth = len(document.records_pointer)
    is_table = isinstance(records, dict) and any(
        pattern[: depth + 1] == (*document.records_pointer, "*")
        for patterns in document.items.values()
        for pattern in patterns
    )
    return len(records) if isinstance(records, list) or is_table else 1  # type: ignore[arg-type]  # sized
