"""`@checked` converts what fits an annotation and refuses the rest in one sentence that names the argument."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pytest

from landau_vae.checks import Bound, Count, Positive, Range, Seed, Share, checked, numbers, shown
from landau_vae.errors import InputError

if TYPE_CHECKING:
    import wave
    from colorsys import nothing_at_all
    from decimal import Decimal


@checked
def everything(
    count: Count = 1,
    latents: Annotated[int, Range(1, integer=True)] | Share = 1,
    seed: Seed = 0,
    share: Share | None = None,
    positive: Positive = 1.0,
    bound: Bound = 0.0,
    choice: Literal["a", "b", 3] = "a",
    path: str | Path = ".",
    flag: bool = False,
    names: Sequence[str] | None = None,
    pair: tuple[float, Positive] = (0, 1),
    many: tuple[Count, ...] = (),
    shares: Sequence[Share] = (),
    chunks: Iterable[Any] = (),
    function: Callable[..., Any] = print,
    decimal: "Decimal | None" = None,
    reader: "wave.Wave_read | None" = None,
    unloaded: "nothing_at_all | None" = None,
) -> dict[str, Any]:
    return dict(locals())


@pytest.mark.parametrize(
    ("name", "value", "converted"),
    [("latents", np.int8(2), 2), ("latents", 0.5, 0.5), ("count", 3.0, 3), ("count", np.int8(2), 2),
     ("seed", np.array(4), 4), ("bound", -np.inf, -np.inf),
     ("share", np.float32(0.5), 0.5), ("positive", 2, 2.0), ("choice", 3, 3), ("path", "x", "x"),
     ("flag", np.True_, True), ("names", ["a", "b"], ("a", "b")), ("pair", [1, 2], (1.0, 2.0)),
     ("many", np.array([1, 2]), (1, 2)), ("many", range(1, 3), (1, 2)), ("shares", [0.1], (0.1,)),
     ("names", None, None)],
)  # fmt: skip
def test_what_fits_is_converted(name, value, converted):
    result = everything(**{name: value})[name]
    assert result == converted
    assert type(result) is type(converted)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("count", 0, "a whole number from 1 on"), ("count", 2.5, "a whole number from 1 on"),
     ("latents", 1.0, "a whole number (an int) from 1 on or a number between 0 and 1"),
     ("latents", np.float32(2.0), "a whole number (an int) from 1 on or a number between 0 and 1"),
     ("count", 10**400, "a whole number from 1 on"), ("count", True, "a whole number from 1 on"),
     ("seed", -1, "a whole number from 0 on"), ("share", 1, "a number between 0 and 1"),
     ("positive", float("inf"), "a number above 0"), ("positive", "1", "a number above 0"), ("bound", 1j, "a number"),
     ("choice", 3.0, "'a', 'b' or 3"), ("choice", "c", "'a', 'b' or 3"), ("path", b"x", "a text or a path"),
     ("flag", 1, "True or False"), ("names", "ab", "a list of texts"), ("names", ["a", 1], "a list of texts"),
     ("names", {"a"}, "a list of texts"), ("pair", (1, 2, 3), "a tuple of 2 items"), ("pair", 5, "a tuple"),
     ("pair", (1, 0), "a tuple, each a number above 0"), ("many", [1, 0], "a tuple, each a whole number from 1 on"),
     ("chunks", "text", "an iterable"), ("function", 3, "a function"), ("decimal", 1.0, "a Decimal"),
     ("reader", 1.0, "a Wave_read"), ("unloaded", 1.0, "a nothing_at_all")],
)  # fmt: skip
def test_what_does_not_fit_is_refused(name, value, expected):
    with pytest.raises(InputError) as error:
        everything(**{name: value})
    assert error.value.argument == name
    assert str(error.value).startswith(f"{name} is ")
    assert f"but {expected}" in str(error.value)


def test_positional_arguments_of_any_number():
    @checked
    def total(*counts: Count) -> int:
        return sum(counts)

    assert total(1, 2.0) == 3
    with pytest.raises(InputError, match="counts is 0"):
        total(1, 0)


def test_types_of_unloaded_modules_are_not_loaded():
    sys.modules.pop("wave", None)
    everything()
    assert "wave" not in sys.modules


def test_values_are_shown_on_one_short_line():
    text = shown(np.zeros((50, 50)))
    assert "\n" not in text
    assert len(text) < 80


@pytest.mark.parametrize(
    "values",
    ["1", b"1", {"a": 1}, 1j, [1j], [[1], [1, 2]], 10**400, object(), None, iter([1]), np.array(["2020"], "M8[D]")],
)
def test_numbers(values):
    with pytest.raises(InputError, match=r"rows .* cannot be read as numbers") as error:
        numbers(values, "rows")
    assert error.value.argument == "rows"


def test_shapes_and_finite_numbers():
    assert numbers([[1, 2]], "x", shape=(1, 2), finite=True).dtype == np.float64
    with pytest.raises(InputError, match=r"x has shape \(2,\), but \(3,\) is expected"):
        numbers([1, 2], "x", shape=(3,))
    with pytest.raises(InputError, match="x has 1 entries that are NaN or infinite"):
        numbers([1, np.nan], "x", finite=True)


def test_ranges_in_words():
    assert Range().words("number") == "a number"
    assert Range(most=2).words("number") == "a number of at most 2"
    assert Range(below=2).words("number") == "a number below 2"
    assert Range(1, 2).words("whole number") == "a whole number from 1 to 2"
    assert Range(1, 1e8).words("whole number") == "a whole number from 1 to 100 000 000"
    assert Range(1e-9, 1e5, below=1e20).words("number") == "a number from 1e-09 to below 100000"
