"""Derivatives of functions of arrays: by the library whose arrays they take, else by differences.

A function here takes x and f, (n, m), and returns one number for each row, which depends on
that row of f alone, or (n, m), each of which depends on its own entry alone. So the gradient of the sum is
that of each row, and a product with the Hessian is that of each row with a direction of its
own. JAX and PyTorch differentiate exactly; functions of NumPy arrays are differentiated by
central differences, 2m calls for the gradient of rows and 2 for that of entries.
"""

import sys
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from landau_vae.display import Array
from landau_vae.errors import InputError, described

Function = Callable[..., Any]  # arrays of one library → arrays of it
STEP = np.finfo(np.float64).eps ** (1 / 3)  # of the unit: where a central difference is most exact
KEPT = 16  # functions whose compiled derivatives are kept
SECOND_STEP = np.finfo(np.float64).eps ** (1 / 4)  # the same of a difference of differences


class Calculus(NamedTuple):
    """How functions of one library are called and differentiated by f, with NumPy arrays outside."""

    call: Callable[..., Array]  #: (function, *arrays) → its result
    gradient: Callable[[Function, Array, Array, Array], Array]  #: (function, x, f, unit) → (n, m)
    along: Callable[[Function, Array, Array, Array, Array], Array]  #: (function, x, f, v, unit) → H v, (n, m)


# ------------------------------------------------------------------------------------------------ NumPy


def _called(function: Function, *arrays: Array) -> Array:
    return np.asarray(function(*arrays))


def _difference(function: Function, x: Array, f: Array, unit: Array) -> Array:
    sizes = STEP * np.maximum(np.abs(f).max(axis=0), unit)
    change = _called(function, x, f + sizes) - _called(function, x, f - sizes)
    if change.shape == f.shape:  # entry by entry
        return change / (2 * sizes)
    slope = np.empty(f.shape)
    for j, step in enumerate(np.diag(sizes)):
        slope[:, j] = (_called(function, x, f + step) - _called(function, x, f - step)) / (2 * sizes[j])
    return slope


def _second_difference(function: Function, x: Array, f: Array, direction: Array, unit: Array) -> Array:
    longest = np.abs(direction / unit).max(axis=1, keepdims=True)
    step = np.divide(SECOND_STEP, longest, out=np.zeros(longest.shape), where=longest > 0) * direction
    change = _difference(function, x, f + step, unit) - _difference(function, x, f - step, unit)
    return change * longest / (2 * SECOND_STEP)


NUMPY = Calculus(_called, _difference, _second_difference)

# -------------------------------------------------------------------------------------------------- JAX


@cache
def _jax() -> Calculus:
    import jax

    @lru_cache(KEPT)
    def slope(function: Function) -> Function:
        return jax.jit(jax.grad(lambda f, x: function(x, f).sum()))

    @lru_cache(KEPT)
    def product(function: Function) -> Function:
        return jax.jit(lambda f, x, v: jax.jvp(lambda g: slope(function)(g, x), (f,), (v,))[1])

    def call(function: Function, *arrays: Array) -> Array:
        with jax.enable_x64(True):
            return np.asarray(function(*map(jax.numpy.asarray, arrays)))

    return Calculus(
        call,
        lambda function, x, f, _: call(slope(function), f, x),
        lambda function, x, f, v, _: call(product(function), f, x, v),
    )


# ------------------------------------------------------------------------------------------------ PyTorch


@cache
def _torch(precision: str) -> Calculus:
    torch = sys.modules["torch"]

    def tensor(array: Array) -> Any:
        return torch.as_tensor(np.array(array), dtype=getattr(torch, precision))

    def call(function: Function, *arrays: Array) -> Array:
        return _numpy(function(*map(tensor, arrays)))

    def slope(function: Function, x: Array, f: Array, *, again: bool = False) -> tuple[Any, Any]:
        at = tensor(f).requires_grad_(True)
        return at, torch.autograd.grad(function(tensor(x), at).sum(), at, create_graph=again)[0]

    def along(function: Function, x: Array, f: Array, v: Array, _: Array) -> Array:
        at, first = slope(function, x, f, again=True)
        if not first.requires_grad:  # the slope is constant
            return np.zeros(f.shape)
        (second,) = torch.autograd.grad((first * tensor(v)).sum(), at, allow_unused=True)
        return np.zeros(f.shape) if second is None else _numpy(second)

    return Calculus(call, lambda function, x, f, _: _numpy(slope(function, x, f)[1]), along)


def _numpy(tensor: Any) -> Array:
    tensor = tensor.detach().cpu() if hasattr(tensor, "detach") else tensor
    return np.asarray(tensor, dtype=np.float64)


# ---------------------------------------------------------------------------------------- which of them


def calculus_of(function: Function, *arrays: Array, name: str) -> Calculus:
    """Return how a user's function is differentiated: by the library whose arrays it takes and returns."""
    try:
        kind = type(function(*arrays)).__module__.partition(".")[0]
    except Exception as problem:  # anything: it may take tensors only
        for precision in ("float64", "float32") if "torch" in sys.modules else ():
            if _works(tensors := _torch(precision), function, arrays):
                return tensors
        raise InputError(f"{name} raised {described(problem)} on rows of the data: correct it.", name) from problem
    return _jax() if kind.startswith("jax") else _torch("float64") if kind == "torch" else NUMPY


def _works(calculus: Calculus, function: Function, arrays: tuple[Array, ...]) -> bool:
    try:
        calculus.call(function, *arrays)
    except Exception:  # anything: the first problem is reported
        return False
    return True
