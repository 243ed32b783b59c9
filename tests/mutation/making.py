"""Make the mutants of a module: one small change of its code each, by the operators of Cosmic Ray.

Not every change of code is a change of what the package computes. Left out by rule are

- annotations, `assert`, imports, `__all__`, what only type checkers run, `overload`: types;
- what is raised: texts of errors and what they show;
- `cache` and its kin, sizes of caches, `strict=` of `zip`, options of dataclasses: speed, guards, display;
- `<` for `<=`, except between counts: real numbers are never equal, and a verdict is open at its limit;
- numbers in formatted texts: how many digits are shown, plurals;
- a step of one on a number of 8 or more, on a number of decimals, on a budget of iterations (`maxiter=` …): limits
  of effort and accuracy that were chosen with room;
- operators that only swap one error of types for another (`a >> b`, `a is b` on numbers).
"""

import ast
import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

BINARY = {"Add": ["Sub"], "Sub": ["Add"], "Mul": ["Div"], "Div": ["Mul"], "Pow": ["Mul"], "FloorDiv": ["Mul"],
          "Mod": ["FloorDiv"], "BitOr": ["BitAnd"], "BitAnd": ["BitOr"]}  # fmt: skip
COMPARISON = {"Eq": ["NotEq"], "NotEq": ["Eq"], "Lt": ["LtE", "Gt"], "LtE": ["Lt", "Gt"], "Gt": ["GtE", "Lt"],
              "GtE": ["Gt", "Lt"], "Is": ["IsNot"], "IsNot": ["Is"]}  # fmt: skip
OTHERS = ["ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_Invert",
          "AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd",
          "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "NumberReplacer", "RemoveDecorator",
          "ZeroIterationForLoop"]  # fmt: skip
OPERATORS = [
    *(f"ReplaceBinaryOperator_{old}_{new}" for old, many in BINARY.items() for new in many),
    *(f"ReplaceComparisonOperator_{old}_{new}" for old, many in COMPARISON.items() for new in many),
    *OTHERS,
]
EDGES = {f"ReplaceComparisonOperator_{change}" for change in ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt")}
EFFORT = {
    "strict",
    "repr",
    "maxsize",
    "maxiter",
    "max_iterations",
    "iterations",
    "check_finite",
    "copy",
    "decimals",
    "digits",
    "disable",
}
COUNTS = {"len", "size", "ndim", "shape", "count_nonzero"}
SPEED = {"cache", "lru_cache", "cached_property", "overload", "wraps"}
LARGE = 8


@dataclass(frozen=True)
class Mutant:
    """One change: its module, function, operator and line of code, and which of the like in this function it is.

    None of these moves with edits elsewhere in the module: a recorded mutant is found again in later code.
    """

    module: str
    function: str
    operator: str
    code: str
    which: int
    line: int = field(compare=False)
    occurrence: int = field(compare=False)

    @property
    def name(self) -> str:
        """What identifies the mutant, in one line."""
        return f"{self.module}: {self.function}: {self.operator} {self.which}: {self.code}"

    def source(self, source: str) -> str | None:
        """The module with the change; None where it is no Python or the same program."""
        from cosmic_ray.mutating import mutate_code

        changed = mutate_code(source, provider()[self.operator](), self.occurrence)
        try:
            same = changed is None or ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source))
        except SyntaxError:
            return None
        return None if same else changed


def spans(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes in which a change changes no result."""
    for node in tree.body:
        match node:
            case ast.Assign(value=ast.BinOp(op=ast.BitOr()) | ast.Subscript()):  # a name for types
                yield node
    for node in ast.walk(tree):
        match node:
            case ast.Assert() | ast.Raise() | ast.Import() | ast.ImportFrom():
                yield node
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield node
            case ast.AnnAssign():
                yield node.annotation
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                yield node
            case ast.arg(annotation=ast.AST()):
                yield node.annotation
            case ast.keyword() if node.arg in EFFORT:
                yield node
            case ast.Call(func=ast.Name(id="cast" | "TypeVar")):
                yield node
            case ast.Call(func=ast.Name(id="round")) if len(node.args) == 2:
                yield node.args[1]
            case ast.Constant() if isinstance(node.value, float | int) and abs(node.value) >= LARGE:
                yield node
            case ast.FunctionDef() | ast.ClassDef():
                if isinstance(node, ast.FunctionDef) and node.returns:
                    yield node.returns
                yield from (each for each in node.decorator_list if SPEED & {*names(each)})
                yield from (each for call in node.decorator_list for each in getattr(call, "keywords", ()))
                if any("overload" in names(each) for each in node.decorator_list):
                    yield node


def names(node: ast.AST) -> list[str]:
    """The names in an expression."""
    return [part.id if isinstance(part, ast.Name) else part.attr for part in ast.walk(node)
            if isinstance(part, ast.Name | ast.Attribute)]  # fmt: skip


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, int, int]]:
    """Qualified name, first and last line of every function and class, outer ones first."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            yield prefix + node.name, first, node.end_lineno or first
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)


def mutants(module: str, source: str) -> list[Mutant]:
    """All mutants of a module (a path below the root) that may change a result."""
    from cosmic_ray.ast import ast_nodes, get_ast

    tree, lines = ast.parse(source), source.splitlines()
    excluded = [(start_of(node, lines), end_of(node, lines)) for node in spans(tree)]
    operands = [(end_of(node.left, lines), start_of(node.right, lines)) for node in ast.walk(tree)
                if isinstance(node, ast.BinOp)]  # fmt: skip
    of_reals = [(start_of(node, lines), end_of(node, lines)) for node in ast.walk(tree)
                if isinstance(node, ast.Compare) and not COUNTS.intersection(names(node))]  # fmt: skip
    texts = [(node.lineno, node.end_lineno) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    places = list(functions(tree))
    nodes = list(ast_nodes(get_ast(source)))
    made: list[Mutant] = []
    seen: Counter[tuple[str, ...]] = Counter()
    for name in OPERATORS:
        positions = [place for node in nodes for place in provider()[name]().mutation_positions(node)]
        for occurrence, (start, end) in enumerate(positions):
            if any(first <= start and end <= last for first, last in excluded):
                continue
            if name == "NumberReplacer" and any(first <= start[0] <= last for first, last in texts):
                continue
            if name in EDGES and any(first <= start and end <= last for first, last in of_reals):
                continue
            if name.startswith("ReplaceBinary") and not any(low <= start and end <= high for low, high in operands):
                continue  # a star of parameters
            function = next((place for place, first, last in reversed(places) if first <= start[0] <= last), "")
            key = (function, name, lines[start[0] - 1].strip())
            made.append(Mutant(module, *key, seen[key], start[0], occurrence))
            seen[key] += 1
    return made


def start_of(node: ast.AST, lines: list[str]) -> tuple[int, int]:
    """Where a node starts, in characters: `ast` counts bytes."""
    return node.lineno, len(lines[node.lineno - 1].encode()[: node.col_offset].decode())


def end_of(node: ast.AST, lines: list[str]) -> tuple[int, int]:
    """Where a node ends."""
    return node.end_lineno, len(lines[node.end_lineno - 1].encode()[: node.end_col_offset].decode())


@cache
def provider():
    """The operators of Cosmic Ray, by name."""
    from cosmic_ray.operators.provider import OperatorProvider

    return OperatorProvider()


def difference(source: str, changed: str) -> str:
    """The lines that differ, before → after."""
    lines = list(difflib.ndiff(source.splitlines(), changed.splitlines()))
    sides = (" ".join(line[2:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return " → ".join(sides)


def statement(source: str, line: int) -> list[str]:
    """The lines whose tests can notice a change in this line, none where all tests of the module can.

    What runs at import, by whichever test came first, belongs to all tests of the module, and the head of a function
    to those that run the function. Of a compound statement the body does not count.
    """
    lines = source.splitlines()
    inside = [node for node in ast.walk(ast.parse(source))
              if isinstance(node, ast.stmt) and first_line(node) <= line <= node.end_lineno]  # fmt: skip
    if not any(isinstance(node, ast.FunctionDef) for node in inside):
        return []
    node = max(inside, key=first_line)
    body = [] if isinstance(node, ast.FunctionDef) else getattr(node, "body", [])
    last = max(node.lineno, body[0].lineno - 1, line) if body else node.end_lineno
    return [text.strip() for text in lines[node.lineno - 1 : last]]


def first_line(node: ast.stmt) -> int:
    """The first line of a statement, decorators included."""
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
