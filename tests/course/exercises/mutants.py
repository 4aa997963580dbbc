"""Mutants of a function, or of a class's last method: copies with one small change each, as by a student's slip."""

import ast
import copy
from collections.abc import Iterator
from typing import Any

COMPARES: list[type[ast.cmpop]] = [ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE]
OPERATORS: list[type[ast.operator]] = [ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Pow, ast.Mod]
TWINS = [
    ("sum", "mean"), ("max", "min"), ("any", "all"), ("ceil", "floor"), ("argmax", "argmin"), ("std", "var"),
    ("exp", "log"), ("sqrt", "square"), ("clip", "where"), ("flatnonzero", "nonzero"), ("prod", "sum"),
]  # fmt: skip


def mutants(source: str) -> Iterator[str]:
    """The source of each mutant of the first function or class in `source`."""
    tree = ast.parse(source)
    function = _to_change(_first(tree))
    names = sorted({n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)})
    names += [argument.arg for argument in function.args.args]
    for place, node in enumerate(ast.walk(function)):
        for change in _changes(node, names):
            mutant = copy.deepcopy(tree)
            first = _first(mutant)
            body = _to_change(first)
            _replace(body, list(ast.walk(body))[place], copy.deepcopy(change))
            imports = [part for part in mutant.body if isinstance(part, ast.Import | ast.ImportFrom)]
            mutant.body = [*imports, first]
            yield ast.unparse(ast.fix_missing_locations(mutant))


def _first(tree: ast.Module) -> ast.FunctionDef | ast.ClassDef:
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))


def _to_change(first: ast.FunctionDef | ast.ClassDef) -> ast.FunctionDef:
    method = first if isinstance(first, ast.FunctionDef) else first.body[-1]
    assert isinstance(method, ast.FunctionDef)
    return method


def _replace(root: ast.AST, old: ast.AST, new: ast.AST | None) -> None:
    """Put `new` where `old` is below `root`; None removes a statement."""
    for parent in ast.walk(root):
        for name, value in ast.iter_fields(parent):
            if value is old and new is not None:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(part is old for part in value):
                at = next(i for i, part in enumerate(value) if part is old)
                value[at : at + 1] = [] if new is None else [new]
                if not value and name == "body":
                    value.append(ast.Pass())


def _changes(node: ast.AST, names: list[str]) -> Iterator[ast.AST | None]:
    """What may stand in place of a node; None: nothing."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for kind in COMPARES:
            if not isinstance(node.ops[0], kind):
                yield ast.Compare(node.left, [kind()], node.comparators)
    elif isinstance(node, ast.BinOp):
        for operator in OPERATORS:
            if not isinstance(node.op, operator):
                yield ast.BinOp(node.left, operator(), node.right)
        yield from (node.left, node.right, ast.BinOp(node.right, node.op, node.left))
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield from (ast.Constant(value) for value in _numbers(node.value))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.Attribute):
        for pair in TWINS:
            if node.attr in pair:
                yield ast.Attribute(node.value, pair[1 - pair.index(node.attr)], node.ctx)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        yield from (ast.Name(name, ast.Load()) for name in names if name != node.id)
    elif isinstance(node, ast.Slice):
        yield from (ast.Slice(None, node.upper, node.step), ast.Slice(node.lower, None, node.step))
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield node.value
    elif isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        yield type(node)(node.elts[::-1], ast.Load())
        yield type(node)(node.elts[1:], ast.Load())
        yield type(node)(node.elts[:-1], ast.Load())
    elif isinstance(node, ast.If):
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.AugAssign):
        yield from (ast.AugAssign(node.target, operator(), node.value) for operator in OPERATORS[:3])
        yield None
    if isinstance(node, ast.Assign | ast.Expr):
        yield None


def _numbers(value: Any) -> set[Any]:
    near = {value + 1, value - 1, 0, 1, -value, 2 * value}
    return (near | {value / 2, value / 10, value * 10} if isinstance(value, float) else near) - {value}


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    yield from node.args[:1]
    if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name):
        yield node.func.value
    for i in range(len(node.args)):
        yield ast.Call(node.func, node.args[:i] + node.args[i + 1 :], node.keywords)
    if len(node.args) > 1:
        yield ast.Call(node.func, node.args[::-1], node.keywords)
    for i in range(len(node.keywords)):
        yield ast.Call(node.func, node.args, node.keywords[:i] + node.keywords[i + 1 :])
