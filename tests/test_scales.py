"""Data in any unit: what a spectrum is asked scales with it, from 1e-150 to 1e150 of the data, or is refused."""

import numpy as np
import pytest

import landau_vae as lv
from landau_vae import InputError, Loss, OutsideTheory, Spectrum, numeric
from landau_vae.diagnosis import recommend
from landau_vae.training import Schedule

EIGENVALUES = np.array([16, 4, 4, 1.2, 1.1, 1.0, 0.9, 0.8])
ROWS = np.random.default_rng(0).standard_normal((200, 6)) * [4, 2, 1.1, 1, 0.9, 0.8]
SPECTRA = {
    "eigenvalues": lambda unit: Spectrum.from_eigenvalues(EIGENVALUES * unit**2, samples=600),
    "rows": lambda unit: Spectrum.from_data(ROWS * unit),
    "wide rows": lambda unit: Spectrum.from_data(ROWS.T * unit),
}
gaussian = Loss.gaussian


def price(choice, u):
    return choice.beta / u


#: what is asked of a spectrum in which a variance of 1 is u, → numbers that do not depend on u
QUESTIONS = {
    "spectrum": lambda s, u: [*s.normalized, s.modes, s.rank(0.01), *(s.eigenvalues / u), s.total_variance / u],
    "summary": lambda s, u: [s.summary().count("\n"), len(s.multiplets[0]), s.rest / u],
    "transitions": lambda s, u: lv.transitions(s, gaussian()).beta / u,
    "equilibrium": lambda s, u: [*(e := lv.equilibrium(s, gaussian(u))).rate, *e.distortion, e.free_energy / u],
    "utility": lambda s, u: lv.equilibrium(s, gaussian(u)).utility("sampled"),
    "keep": lambda s, u: price(lv.choose_beta(s, gaussian(), keep=1), u),
    "keep all": lambda s, u: price(lv.choose_beta(s, gaussian(), keep=s.modes), u),
    "tolerance": lambda s, u: price(lv.choose_beta(s, gaussian(), tolerance=0.2), u),
    "of means": lambda s, u: price(lv.choose_beta(s, gaussian(), tolerance=0.2, reconstruction="mean"), u),
    "rate": lambda s, u: price(lv.choose_beta(s, gaussian(), rate=1.0), u),
    "codes": lambda s, u: price(lv.choose_beta(s, gaussian(), codes=16), u),
    "noise floor": lambda s, u: [(f := numeric.noise_floor(s)).price / u, f.modes],
    "above noise": lambda s, u: price(lv.choose_beta(s, gaussian(), noise_floor=True), u),
    "hierarchy": lambda s, u: numeric.hierarchy(s, decoder_variance=u, first_variance=0.5 * u).first,
    "expected": lambda s, u: lv.expected(s, gaussian(u), Schedule(((0, 0), (1, 1))), updates=50).kl[1:],
    "activation": lambda s, u: 0 * numeric.activation(s, gaussian(u), learning_rate=1e-3 / u, updates=9).updates,
    "learned": lambda s, u: numeric.learned_variance(s, 3).beta,
    "free bits": lambda s, u: (
        numeric.free_bits(s, Loss.gaussian(u, latents=4).constrained("hinge", 0.1, per="latent")).rate
    ),
    "target": lambda s, u: gaussian().constrained("target", 2.0).price(s) / u,
    "held error": lambda s, u: gaussian().constrained("distortion", 3.0 * u).price(s) / u,
    "decay": lambda s, u: numeric.weight_decay(s, gaussian(), decoder=1e-3).price / u,
    "encoder": lambda s, u: (f := numeric.fixed_encoder(s, gaussian(u), 0.5)).signal_fraction * (f.threshold[0] / u),
    "landscape": lambda s, u: [point.free_energy / u for point in numeric.landscape(s, gaussian(u)).points],
    "loss": lambda s, u: [gaussian(u).explain(s).count("\n"), *(gaussian().beta_at([2 * u], s) / u)],
    "explain": lambda s, u: [len(lv.explain(kl=1.0, reconstruction=2 * u, spectrum=s, loss=gaussian(u)).findings)],
    "recommend": lambda s, u: [(each.beta or 0) / u for each in recommend(s, gaussian(), keep=2, samples=None)],
}


@pytest.mark.parametrize("kind", SPECTRA)
@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_scale_with_the_data(kind, question):
    """Powers of ten are no powers of two: rounding of 1e-16, times the condition of each answer, is within 1e-9."""
    ask = QUESTIONS[question]
    try:
        expected = np.ravel(ask(SPECTRA[kind](1.0), 1.0)).astype(float)
    except OutsideTheory:
        pytest.skip("it has no answer for this spectrum")
    answered, complaints = 0, {}
    for power in (-150, -140, -100, -77, -40, -7, 7, 20, 40, 77, 100, 140, 150):
        unit = 10.0**power
        try:
            found = np.ravel(ask(SPECTRA[kind](unit), unit**2)).astype(float)
        except InputError as refused:
            complaints[power] = str(refused)
            continue
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max(initial=0))
        answered += 1
    assert all(abs(power) > 20 for power in complaints), complaints
    assert all(any(words in each for words in ("variance", "price", "squares")) for each in complaints.values()), (
        complaints
    )
    assert answered >= 3


@pytest.mark.parametrize(
    "make", [Spectrum.from_data, lambda rows: Spectrum.from_chunks([rows]), lambda rows: Spectrum.from_data(rows.T)]
)
def test_rows_whose_squares_are_zero_are_not_called_equal(make):
    for unit in (1e-200, 1e-170):
        with pytest.raises(InputError, match="so small that their squares are 0"):
            make(ROWS * unit)
    with pytest.raises(InputError, match="or their squares are 0"):
        make(np.zeros((5, 7)))
    with pytest.raises(InputError, match="but one from 1e-292 to 1e"):
        make(ROWS * 1e-154)
