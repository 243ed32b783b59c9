"""Staircases of networks with other likelihoods than squared errors."""

import pytest
from likelihood_cases import likelihood, rows

import landau_vae as lv
from landau_vae import InputError, Loss
from landau_vae.training import Adam, Neural, trained_model
from landau_vae.training.training_set import seen_by, training_set


@pytest.mark.slow
@pytest.mark.parametrize("name", ["huber", "counts"])
def test_a_staircase_finds_the_onsets(name):
    """The first onset is that of the rows, and the second is computed from the first model.

    Thresholds from a few models are within 15 %, and the collapsed background foresees the second as well as that.
    """
    x, law = rows(name), likelihood(name)
    total = seen_by(law, training_set(x))[1].total_variance

    def fit(beta, seed):
        trainer = Neural(hidden=(16,), updates=2500, batch=128, optimizer=Adam(5e-3), loss=Loss.of(law))
        model = trained_model(lv.scan(x, [beta / total], latents=2, seeds=[seed], trainer=trainer), 1.0)
        return *model.encode(x), model.decode

    found = lv.spectroscopy(fit, "staircase", data=x, loss=Loss.of(law))
    spectrum = lv.spectrum.score(x, law)
    assert found.begins[0] * total == pytest.approx(spectrum.eigenvalues[0], rel=0.15)
    assert found.begins[1] * total == pytest.approx(spectrum.eigenvalues[1], rel=0.25)


def test_a_likelihood_that_is_not_convex_has_no_staircase():
    with pytest.raises(InputError, match=r"student-t.* not convex in single outputs"):
        lv.spectroscopy(lambda beta, seed: None, "staircase", data=rows("huber"), loss=Loss.of("student-t(4)"))
