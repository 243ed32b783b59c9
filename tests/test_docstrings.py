"""Docstrings of public names are in numpydoc form and in plain English.

`[tool.numpydoc_validation]` in pyproject.toml lists the checks. `python tests/test_docstrings.py numeric` prints what
the public names below `numeric` lack (all of them without an argument).
"""

import inspect
import re
import sys
import tomllib
from enum import Enum
from pathlib import Path

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate
from public_objects import function_of, has_fields, is_property, objects, undocumented_fields

HERE = Path(__file__).parent
CHECKS = set(tomllib.loads((HERE.parent / "pyproject.toml").read_text())["tool"]["numpydoc_validation"]["checks"])
SUMMARY_ONLY = {"PR01", "RT01", "YD01"}  # properties and hooks: their first line says it
SUMMARY_ENOUGH = re.compile(r"\.content$|^adapters\..*\.(on_\w+|teardown)$")  # the hooks of results and of frameworks
NOT_A_VERB = re.compile(
    r"(a|all|also|an|and|any|as|at|both|by|each|every|for|from|here|how|if|in|it|its|no|not|of|on|one|only|or|same|so"
    r"|such|that|the|their|these|this|those|to|two|what|when|where|whether|which|who|whose|why|with|without)\b",
    re.IGNORECASE,
)
OBJECTS = objects()


def complaints(name, thing):
    """What numpydoc says against the docstring of an object, and what this package asks for besides."""
    function = function_of(thing)
    is_class = inspect.isclass(thing)
    document = ClassDoc(thing, config={"show_class_members": False}) if is_class else FunctionDoc(function)
    errors = [error for error in validate(document)["errors"] if error[0] in CHECKS]
    if is_property(thing) or SUMMARY_ENOUGH.search(name):
        return [error for error in errors if error[0] not in SUMMARY_ONLY | {"SS05"}]
    if has_fields(thing) and not document["Parameters"]:
        errors = [error for error in errors if error[0] != "PR01"]
        fields = undocumented_fields(thing)
        errors += [("#:", f"Fields without a `#:` comment: {', '.join(fields)}")] * bool(fields)
    if not is_class and document["Summary"] and re.match("(Return|Yield) ", document["Summary"][0]):
        errors = [error for error in errors if error[0] != "RT01" or parameters(function)]  # the first line says it
    if is_class and (issubclass(thing, Enum) or not any("__init__" in vars(base) for base in thing.__mro__[:-1])):
        errors = [error for error in errors if error[0] != "PR01"]
    if not is_class and NOT_A_VERB.match(document["Summary"][0] if document["Summary"] else ""):
        errors.append(("verb", f'Summary does not begin with a verb: "{document["Summary"][0]}"'))
    return errors


def parameters(function):
    return set(inspect.signature(function).parameters) - {"self", "cls"}


@pytest.mark.parametrize("name", OBJECTS)
def test_docstring(name):
    assert complaints(name, OBJECTS[name]) == []


if __name__ == "__main__":
    where = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, thing in OBJECTS.items():
        errors = complaints(name, thing)
        if errors and where in f"{name} {function_of(thing).__module__}":
            print(name, *(f"    {code}: {text}" for code, text in errors), sep="\n")
