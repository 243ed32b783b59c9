"""The shape of the package: imports run downward, heavy parts load late, public names are frozen and documented."""

import ast
import io
import statistics
import subprocess
import sys
import tokenize
from functools import cache
from pathlib import Path

import pytest

import landau_vae

PACKAGE = Path(landau_vae.__file__).parent

# From the ground up: a module may import from its own storey only itself, and anything below.
STOREYS = [
    ["errors", "exits"],
    ["display"],
    ["checks", "limits", "threads"],
    ["findings", "likelihoods"],
    ["symbolic"],
    ["data"],
    ["spectrum"],
    ["loss"],
    ["datasets"],
    ["numeric"],
    ["intervals"],
    ["training"],
    ["networks"],
    ["verification", "diagnosis", "estimator"],
    ["adapters", "plotting"],
    ["report"],
    ["cli"],
    ["__main__"],
]
LEVEL = {name: level for level, storey in enumerate(STOREYS) for name in storey}


def dotted(path):
    """The module's name below the package, and its nearest package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}
ROOMS = {name: path for name, path in MODULES.items() if name}
every_module = pytest.mark.parametrize("name", ROOMS)


def public_names():
    """Name → module that it comes from, as the stub beside `__init__` lists them."""
    names = {}
    for node in ast.walk(ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name: node.module or alias.name for alias in node.names}
    return names


PUBLIC = public_names()


def targets(node, name, path):
    """The modules below the package that an import statement loads."""
    if isinstance(node, ast.Import):
        yield from (
            alias.name.removeprefix("landau_vae").lstrip(".") for alias in node.names if "landau_vae" in alias.name
        )
    if not isinstance(node, ast.ImportFrom):
        return
    assert node.level == 0, f"{name} has a relative import"
    if (node.module or "").split(".")[0] != "landau_vae":
        return
    base = node.module.removeprefix("landau_vae").lstrip(".")
    for alias in node.names:
        below = f"{base}.{alias.name}".lstrip(".")
        if below in MODULES:
            yield below
        elif base:
            yield base
        elif alias.name in PUBLIC:
            yield PUBLIC[alias.name]


def imports(name, *, top_level_only=False):
    """The modules that a module imports, those for type checkers included."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    inside = {child for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if not (top_level_only and node in inside):
            yield from targets(node, name, MODULES[name])


@every_module
def test_imports_run_downward(name):
    home = name.split(".")[0]
    assert home in LEVEL, f"{home} has no storey: give it one"
    for other in imports(name):
        part = other.split(".")[0]
        if part and part != home:
            assert LEVEL[part] < LEVEL[home], f"{name} imports {other} from above"


def test_no_cycles_between_files():
    """Types included, and through `__init__`: importing a module runs the `__init__` of every package above it."""
    graph = {}
    for name in ROOMS:
        below = set(imports(name))
        for other in tuple(below):
            parts = other.split(".")
            above = {".".join(parts[:k]) for k in range(1, len(parts))}
            below |= {package for package in above if not f"{name}.".startswith(f"{package}.")}
        graph[name] = below - {name, ""}
    done = set()

    def visit(node, trail):
        assert node not in trail, f"cycle: {' → '.join([*trail[trail.index(node) :], node])}"
        if node not in done:
            for below in sorted(graph.get(node, ())):
                visit(below, [*trail, node])
            done.add(node)

    for node in graph:
        visit(node, [])


def test_no_module_is_shadowed_by_a_name_of_its_package():
    for name in ROOMS:
        package, _, module = name.rpartition(".")
        if package and MODULES[package].name == "__init__.py" and module != "__init__":
            tree = ast.parse(MODULES[package].read_text(encoding="utf-8"))
            bound = {
                a.asname or a.name
                for n in ast.walk(tree)
                if isinstance(n, ast.ImportFrom) and n.module != f"landau_vae.{package}"
                for a in n.names
            }
            assert module not in bound, f"landau_vae.{name} is shadowed by a name of landau_vae.{package}"


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_import_is_light():
    heavy = {"sympy", "mpmath", "scipy", "matplotlib", "xarray", "pandas", "pyarrow", "jax", "torch", "typer", "tqdm",
             "joblib", "psutil", "sklearn", "threadpoolctl", "jinja2", "h5netcdf", "h5py", "filelock"}  # fmt: skip
    assert not heavy & loaded_by("import landau_vae")
    assert not heavy & loaded_by("import landau_vae as lv; lv.Spectrum.from_data([[1, 0], [0, 1]]); lv.Loss.gaussian()")
    assert not (heavy - {"typer"}) & loaded_by("import landau_vae.cli")


def test_public_names_are_those_on_the_list():
    frozen = (Path(__file__).parent / "public_names.txt").read_text(encoding="utf-8").split()
    assert sorted(landau_vae.__all__) == frozen
    assert len(frozen) <= 36, "DESIGN: at most 36 in the end"
    for name in frozen:
        assert getattr(landau_vae, name) is not None
    with pytest.raises(AttributeError, match="attribute nonsense"):
        _ = landau_vae.nonsense


@every_module
def test_likelihoods_are_objects_inside(name):
    """Strings name them only where users do: on the command line, in presets, in `as_likelihood`."""
    if name.split(".")[0] in ("cli", "likelihoods"):
        return
    names = {"bernoulli", "poisson", "gaussian", "family"}
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        compared = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        compared += [node.pattern] if isinstance(node, ast.match_case) else []
        constants = {part.value for each in compared for part in ast.walk(each) if isinstance(part, ast.Constant)}
        assert not names & constants, f"{name} compares with the name of a likelihood in line {node.lineno}"


@every_module
def test_files_begin_with_what_they_answer(name):
    text = ast.get_docstring(ast.parse(MODULES[name].read_text(encoding="utf-8")))
    assert text, f"{name} has no docstring"
    assert len(text.splitlines()) <= 15


PASSING = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def docstring_lines(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            yield from range(node.body[0].lineno, node.body[0].end_lineno + 1)


@cache
def measured(path):
    """Lines of code of a file (no docstrings, comments, blanks), and those of each of its functions."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in PASSING]
    code = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)} - set(docstring_lines(tree))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return len(code), [len(code.intersection(range(node.lineno, node.end_lineno + 1))) for node in functions]


def test_the_package_has_few_files():
    assert len(MODULES) <= 285  # 240 before the monitor, 262 before files, signals and workers were guarded


def test_the_package_is_small():
    # 14,500 before the trainer of networks and spectroscopy came, 15,900 before `networks` and the converter,
    # 18,400 before the nonlinear theory: the first collapse, its report, staircases; 20,400 before every loss of
    # users: likelihoods, constraints, samplers, measuring callables as they are, presets, logs; 26,700 before the
    # monitor, its adapters and the estimator; 29,000 before odd files and surroundings had an answer.
    assert sum(measured(path)[0] for path in MODULES.values()) <= 31_000


def test_functions_are_short():
    lengths = sorted(length for path in MODULES.values() for length in measured(path)[1])
    assert statistics.median(lengths) <= 6
    assert lengths[int(0.9 * len(lengths))] <= 20


def test_lines_are_not_longer_than_they_were():
    lengths = [len(line) for path in MODULES.values() for line in path.read_text(encoding="utf-8").splitlines()]
    assert max(lengths) <= 160  # formulas in comments; ruff holds code at 120
    assert statistics.mean(lengths) <= 46


def test_errors_do_not_steer():
    """Only the outermost handler of the command line catches the errors that the package raises."""
    ours = {"InputError", "OutsideTheory", "TooFewSamples"}
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and node.type is not None and name != "cli.program":
                if isinstance(node.body[0], ast.Raise) and node.body[0].exc is None:
                    continue  # handed on as it is
                caught = {part.id for part in ast.walk(node.type) if isinstance(part, ast.Name)}
                assert not caught & ours, f"{name}, line {node.lineno}"
