"""What an estimator takes from scikit-learn; without scikit-learn, a base class that names the extra when it is made.

So `landau_vae.LinearVAE` can always be imported, by `from landau_vae import *` too.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from landau_vae.errors import InputError

FLOATS = [np.float64, np.float32]  # kept as they are; other numbers become float64

if TYPE_CHECKING or find_spec("sklearn"):
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils import validation

    class Estimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
        """A transformer whose outputs are numbered, float32 where its input is."""

        def __sklearn_tags__(self) -> Any:
            tags = super().__sklearn_tags__()
            tags.transformer_tags.preserves_dtype = ["float64", "float32"]
            return tags

        def _rows(self, X: Any, *, reset: bool = False) -> Any:
            """Return rows as scikit-learn checks them: those of a first fit (`reset`), or of a fitted model."""
            if not reset:
                self._check_fitted()
            if hasattr(validation, "validate_data"):
                return validation.validate_data(self, X, dtype=FLOATS, reset=reset)
            return self._validate_data(X, dtype=FLOATS, reset=reset)  # scikit-learn 1.5

        def _codes(self, X: Any) -> Any:
            """Return codes as scikit-learn checks arrays."""
            self._check_fitted()
            return validation.check_array(X, dtype=FLOATS)

        def _random(self, state: Any) -> np.random.RandomState:
            """Return the generator of a `random_state`, by scikit-learn's convention."""
            self._check_fitted()
            return validation.check_random_state(state)

        def _check_fitted(self) -> None:
            validation.check_is_fitted(self)

else:

    class Estimator:
        """A class that cannot be used."""

        def __new__(cls, *_: Any, **__: Any) -> "Estimator":
            """Raise `InputError`."""
            extra = "the extra 'sklearn': pip install 'landau-vae[sklearn]'"
            raise InputError(f"{cls.__name__} is an estimator of scikit-learn, {extra}.")
