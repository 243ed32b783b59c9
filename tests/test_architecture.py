"""The shape of the package: imports run downward, heavy parts load late, public names are documented."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import landau_vae

PACKAGE = Path(landau_vae.__file__).parent

# From the ground up: a module may import from its own storey only itself, and anything below.
STOREYS = [
    ["errors", "results"],
    ["symbolic"],
    ["samples"],
    ["spectrum"],
    ["partial"],
    ["loss", "spectra"],
    ["datasets"],
    ["numeric"],
    ["intervals"],
    ["training"],
    ["verification", "diagnosis"],
    ["plotting"],
    ["report"],
    ["cli"],
]
LEVEL = {name: level for level, storey in enumerate(STOREYS) for name in storey}


MODULES = [(path, path.relative_to(PACKAGE).with_suffix("").parts) for path in sorted(PACKAGE.rglob("*.py"))]
MODULES = [(path, parts) for path, parts in MODULES if parts != ("__init__",)]
every_module = pytest.mark.parametrize(("path", "parts"), MODULES, ids=[".".join(parts) for _, parts in MODULES])


def imports(path):
    """(part of the package, whole dotted name) of each import, those for type checkers left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    for node in ast.walk(tree):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.split(".")[0] == "landau_vae":
                below = name.split(".")[1:] or [alias.name for alias in node.names]
                yield from ((part, name) for part in (below[:1] if "." in name else below))


@every_module
def test_imports_run_downward(path, parts):
    home = parts[0]
    assert home in LEVEL, f"{home} has no storey: give it one"
    for part, name in imports(path):
        if part in landau_vae._HOMES:
            part = landau_vae._HOMES[part].split(".")[0]
        if part == home:
            continue
        assert LEVEL[part] < LEVEL[home], f"{home} imports {name} from above"


def test_no_cycles_between_files():
    graph = {".".join(parts): {name.removeprefix("landau_vae.") for _, name in imports(path) if "." in name}
             for path, parts in MODULES if parts[-1] != "__init__"}  # fmt: skip
    done: set[str] = set()

    def visit(node, trail):
        assert node not in trail, f"cycle: {' → '.join([*trail, node])}"
        if node not in done:
            for below in graph.get(node, ()):
                visit(below, [*trail, node])
            done.add(node)

    for node in graph:
        visit(node, [])


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_import_is_light():
    heavy = {"sympy", "mpmath", "scipy", "matplotlib", "xarray", "pandas", "pyarrow", "jax", "torch", "typer", "tqdm",
             "joblib", "psutil", "threadpoolctl"}  # fmt: skip
    assert not heavy & loaded_by("import landau_vae")
    assert not heavy & loaded_by("import landau_vae as lv; lv.Spectrum.from_data([[1, 0], [0, 1]]); lv.Loss.gaussian()")
    assert not (heavy - {"typer"}) & loaded_by("import landau_vae.cli")


def test_public_names():
    assert set(landau_vae.__all__) <= set(dir(landau_vae))
    for name in landau_vae.__all__:
        assert getattr(landau_vae, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = landau_vae.nonsense


@pytest.mark.parametrize("name", [name for name in landau_vae._HOMES if name != "InputError"])
def test_public_names_are_documented_with_an_example(name):
    thing = getattr(landau_vae, name)
    text = inspect.getdoc(thing) or ""
    examples = ">>>" in text or (
        inspect.isclass(thing) and name.lower() != name and name not in ("Spectrum", "Loss")
    )  # a result class: its verb has the example
    assert text
    assert examples


@every_module
def test_files_begin_with_what_they_answer(path, parts):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text, f"{path.name} has no docstring"
    assert len(text.splitlines()) <= 15
