"""What results print of one price and of many."""

import numpy as np

from landau_vae import Loss, Spectrum, equilibrium, transitions

FOUR = Spectrum.from_eigenvalues([8.0, 4.0, 2.0, 1.0])


def test_one_price_has_a_row_per_mode():
    text = equilibrium(FOUR, Loss.gaussian(beta=2.0)).summary()
    table = [line.split()[:4] for line in text.splitlines() if line.split() and line.split()[0] in "1234"]
    # λ/V, M² = 1 − τ/λ and s = τ/λ at τ = 2; the third mode stands at its threshold
    assert table == [["1", "0.533333", "0.7500", "0.25"], ["2", "0.266667", "0.5000", "0.5"],
                     ["3", "0.133333", "0.0000", "1"], ["4", "0.0666667", "0.0000", "1"]]  # fmt: skip


def test_many_prices_have_one_line_with_their_range():
    state = equilibrium(FOUR, Loss.gaussian(beta=[0.5, 3.0, 16.0]))
    assert state.summary() == repr(state) == "Equilibrium(3 prices, τ = 0.5 … 16, 0 to 4 active)"


def test_a_cascade_says_what_is_active_at_one_beta_only():
    one, many = (transitions(FOUR, Loss.gaussian(beta=beta)).summary() for beta in (2.0, np.array([1.0, 2.0])))
    assert "M² at β" in one
    assert "M² at β" not in many
    state = [line.split()[-2:] for line in one.splitlines() if line.split() and line.split()[0] in "1234"]
    # R = ½ ln λ/τ
    assert state == [["0.7500", "0.6931"], ["0.5000", "0.3466"], ["inactive", "0"], ["inactive", "0"]]
