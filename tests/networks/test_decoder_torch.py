"""Decoders made with PyTorch: modules, their methods, and functions around them."""

import functools

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.data.convert import as_rows
from landau_vae.networks.decoder import Decoder

pytestmark = pytest.mark.torch

SINGLE = 1e-6  # float32 rounds by 6e-8; sums of three terms


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def model(torch):
    torch.manual_seed(0)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 4)

        def forward(self, z):
            return self.layer(z)

        def decode(self, z):
            assert not torch.is_grad_enabled()
            return self.layer(z)

    return Model().eval()


@pytest.fixture
def z(rng):
    return rng.standard_normal((6, 3))


def expected(model, z):
    return z @ model.layer.weight.detach().double().numpy().T + model.layer.bias.detach().double().numpy()


def test_modules_and_functions_around_them(torch, model, z):
    ways = {
        "method": model.decode, "module": model, "lambda": lambda latents: model.decode(latents),
        "partial": functools.partial(model.decode), "no_grad": torch.no_grad()(model.decode),
        "own conversion": lambda latents: model(torch.as_tensor(latents).float()).detach().numpy(),
        "own conversion, tensor": lambda latents: model(torch.as_tensor(latents).float()),
    }  # fmt: skip
    for name, decode in ways.items():
        readonly = z[:2].copy()
        readonly.flags.writeable = False
        decoder = Decoder.wrap(decode, readonly, 4)
        np.testing.assert_allclose(decoder(z), expected(model, z), rtol=SINGLE, atol=SINGLE, err_msg=name)
        takes = "NumPy arrays of float64" if "own" in name else "PyTorch tensors of float32"
        assert decoder.takes == takes, name
        assert not any((decoder.train_mode, decoder.stochastic, decoder.couples_rows)), name


def test_other_precisions(torch, model, z):
    for dtype, digits in ((torch.float64, 1e-14), (torch.bfloat16, 0.05)):  # 53 bits; 8 bits, in sums of four
        decoder = Decoder.wrap(model.to(dtype).decode, z[:2], 4)
        assert decoder.takes == f"PyTorch tensors of {str(dtype)[6:]}"
        np.testing.assert_allclose(decoder(z), expected(model, z), rtol=digits, atol=digits)


def test_distributions_and_outputs(torch, model, z):
    d = torch.distributions
    for make, entry in (
        (lambda y: d.Normal(y, torch.ones_like(y)), ".mean"),
        (lambda y: d.Independent(d.Normal(y, torch.ones_like(y)), 1), ".mean"),
        (lambda y: {"reconstruction": y, "z": y[:, :3]}, "['reconstruction']"), (lambda y: [y, None], "[0]"),
    ):  # fmt: skip
        decoder = Decoder.wrap(lambda latents, make=make: make(model(latents)), z[:2], 4)
        assert decoder.entry == entry
        np.testing.assert_allclose(decoder(z), expected(model, z), rtol=SINGLE, atol=SINGLE)


def test_convolutions(torch, rng):
    network = torch.nn.Sequential(torch.nn.ConvTranspose2d(2, 3, 2, stride=2), torch.nn.Sigmoid())
    z = rng.standard_normal((5, 2 * 4 * 4))
    last = Decoder.wrap(network, z[:2], (8, 8, 3), shape=(2, 4, 4))
    first = Decoder.wrap(network, z[:2], (3, 8, 8), shape=(2, 4, 4))
    np.testing.assert_array_equal(np.moveaxis(first(z).reshape(5, 3, 8, 8), 1, -1).reshape(5, -1), last(z))


def test_training_mode(torch, z):
    """Batch normalisation couples rows, dropout draws; neither is changed by being looked at."""
    norm = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    for decode in (norm, lambda latents: norm(latents)):
        decoder = Decoder.wrap(decode, z[:2], 4)
        decoder(z)
        assert decoder.train_mode
        assert decoder.couples_rows
        assert not decoder.stochastic
    for name, value in norm.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not Decoder.wrap(norm.eval(), z[:2], 4).couples_rows
    dropout = torch.nn.Sequential(torch.nn.Linear(3, 100), torch.nn.Dropout(0.5), torch.nn.Linear(100, 4))
    assert Decoder.wrap(dropout, z[:2], 4).stochastic


def test_conditions(torch, model, z):
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    table = torch.nn.Embedding(3, 4)

    def decode(latents, given):
        return model.decode(latents) + table(given)

    for given in (labels, labels.numpy()):
        decoder = Decoder.wrap(decode, z[:2], 4, given=given)
        rows = np.array([5, 0])
        added = table(labels).detach().numpy()[rows]
        np.testing.assert_allclose(decoder(z[rows], rows), expected(model, z[rows]) + added, rtol=SINGLE, atol=SINGLE)


def test_a_mistake_inside_is_reported(torch, model, z):
    for decode in (model, lambda latents: model(latents)):
        with pytest.raises(lv.InputError, match=r"RuntimeError \(.+\) on PyTorch tensors of float32 of shape \(2, 5\)"):
            Decoder.wrap(decode, np.zeros((2, 5)), 4)


def test_tensors_and_loaders_are_rows(torch, rng):
    rows = torch.as_tensor(rng.standard_normal((12, 4)), dtype=torch.float32)
    data = torch.utils.data
    labelled = data.TensorDataset(rows, torch.arange(12))
    shuffled = data.DataLoader(labelled, batch_size=5, shuffle=True)
    held = [
        rows.clone().requires_grad_(), torch.nn.Parameter(rows), rows.to_sparse(), labelled, list(rows.split(5)),
        data.Subset(labelled, range(12)), data.DataLoader(labelled, batch_size=5), list(rows),
        list(data.DataLoader(labelled, batch_size=5)), data.DataLoader(rows, batch_size=5),
    ]  # fmt: skip
    for value in held:
        np.testing.assert_array_equal(as_rows(value, ordered=True)[0], rows.numpy())
    halves = rows.bfloat16().requires_grad_()
    np.testing.assert_array_equal(as_rows(halves)[0], halves.detach().float().numpy())
    assert lv.Spectrum.from_data(shuffled).samples == 12
    assert lv.Spectrum.from_chunks(shuffled).samples == 12
    with pytest.raises(lv.InputError, match="The data loader shuffles"):
        as_rows(shuffled, ordered=True)
