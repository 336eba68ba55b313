"""The errors with which the model's rule of an act type can refuse, read from its own source.

Docs and tests only: docs/protocol.md 3.4 is made from this, and the tests compare it with what the
contracts can raise.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

from protocol.model.apply import RULES
from protocol.model.step import Step, refuse


def rule_errors(name: str) -> frozenset[str]:
    """Return the codes with which the rule of an act type can refuse, without those of every act.

    Args:
        name: name of the act type.

    Raises:
        KeyError: no act type has this name.
        ValueError: a rule refuses with a code that its source does not state.
    """
    return function_errors(RULES[name])


def function_errors(function: Callable[..., Any]) -> frozenset[str]:
    """Return the codes with which a function of the model can refuse, itself or by what it calls.

    Args:
        function: a function of the model.

    Raises:
        ValueError: it refuses with a code that its source does not state.
    """
    return _walk(function, frozenset(), frozenset())


@cache
def _walk(
    function: Callable[..., Any], absent: frozenset[str], open_calls: frozenset[Any]
) -> frozenset[str]:
    """Walk a body; absent are parameters that the caller left at their default None."""
    if function in open_calls:
        return frozenset()
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    codes: set[str] = set()
    queue: list[ast.AST] = [tree]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.If) and _is_given(node.test) in absent:
            queue += node.orelse
            continue
        if isinstance(node, ast.Call):
            codes |= _call_errors(node, function, open_calls | {function})
        queue += ast.iter_child_nodes(node)
    return frozenset(codes)


def _is_given(test: ast.expr) -> str | None:
    """Return the name in a test `name is not None`."""
    if (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and isinstance(test.ops[0], ast.IsNot)
    ):
        return test.left.id
    return None


def _call_errors(
    call: ast.Call, caller: Callable[..., Any], open_calls: frozenset[Any]
) -> frozenset[str]:
    called: Any = None
    is_method = False
    if isinstance(call.func, ast.Name):
        called = inspect.unwrap(caller).__globals__.get(call.func.id)
    elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        is_method = call.func.value.id in ("self", "step")
        called = getattr(Step, call.func.attr, None) if is_method else None
    if called is refuse:
        code = call.args[0]
        if not isinstance(code, ast.Constant) or not isinstance(code.value, str):
            raise ValueError(f"{caller.__qualname__} refuses with a code that it does not state")
        return frozenset((code.value,))
    if not inspect.isfunction(called) or not called.__module__.startswith("protocol.model."):
        return frozenset()
    given = len(call.args) + is_method
    named = {keyword.arg for keyword in call.keywords}
    absent = frozenset(
        name
        for place, (name, parameter) in enumerate(inspect.signature(called).parameters.items())
        if parameter.default is None and place >= given and name not in named
    )
    return _walk(called, absent, open_calls)
