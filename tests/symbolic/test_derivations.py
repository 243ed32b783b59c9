"""The derivations: every page is what its script gives today, breaks with the loss, and reads in three dresses."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from conftest import CLOSED
from documents import blocks, run_examples
from hypothesis import given, settings
from hypothesis import strategies as st
from pylatexenc.latexwalker import LatexWalker

import landau_vae as lv
from landau_vae import InputError, symbolic
from landau_vae.symbolic import any_loss, first_collapse, linear, typeset
from landau_vae.symbolic import catalogue as results
from landau_vae.symbolic.page import CheckFailed, Page, Prose, check, run

FOLDER = Path(__file__).parents[2] / "derivations"
INDEX = (FOLDER / "README.md").read_text(encoding="utf-8")
QUICK = {
    "collapse",
    "order-parameter",
    "equilibrium",
    "rate-distortion",
    "identities-at-rest",
    "samplers-and-heads",
    "counts-with-library-sizes",
}  # the others take four seconds to half a minute


@pytest.fixture(
    scope="module", params=[pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in symbolic.names()]
)
def page(request):
    """Each page, derived once: all tests of one page follow one another."""
    return symbolic.derive(request.param)


def test_the_committed_page_is_what_the_script_gives(page):
    """Every check holds, whatever SymPy is installed; the text is compared under the SymPy that wrote it."""
    text = typeset.markdown(page)
    committed = results.scripts()[page.name].with_suffix(".md").read_text(encoding="utf-8")
    if sp.__version__.split(".")[:2] != ["1", "14"]:
        pytest.skip("the pages were written with SymPy 1.14, whose order of terms another version need not share")
    assert text == committed, f"python derivations/build.py {page.name}"


def test_a_page_ends_in_statements_and_names_its_assumptions(page):
    assert len(page.statements) >= 8
    assert len(set(page.statements)) == len(page.statements)
    opening = page.blocks[0].text
    for word in ("**Assumed.**", "**Sought.**", "**Source"):
        assert word in opening
    assert "## The same numbers" in "\n".join(block.text for block in page.blocks if hasattr(block, "text"))


def test_mathematics_that_github_can_read(page):
    """GitHub takes a backslash before punctuation inside $…$ as Markdown's, before MathJax sees it."""
    text = re.sub(r"```.*?```", "", typeset.markdown(page), flags=re.DOTALL)
    for formula in re.findall(r"\$([^$]+)\$", text):
        assert not re.search(r"\\[^A-Za-z]", formula), formula
        assert "*" not in formula, formula
    assert text.count("$") % 2 == 0


def test_latex_is_well_formed(page):
    document = typeset.latex(page)
    LatexWalker(document, tolerant_parsing=False).get_latex_nodes()  # raises on a brace or environment left open
    assert document.count(r"\begin{") == document.count(r"\end{")
    assert document.isascii()
    assert not re.search(r"[\x00-\x08]", document)


def test_text_for_a_terminal_has_no_latex_left(page):
    text = typeset.text(page)
    assert "$" not in text
    assert not re.search(r"\\[a-zA-Z]+", text), re.search(r".*\\[a-zA-Z]+.*", text)[0]


@pytest.mark.parametrize(
    ("latex", "plain"),
    [
        (r"\tfrac{1}{2}\lambda", "½λ"),
        (r"\frac{\lambda\tau}{2(\tau+w^2)}", "λτ/(2(τ+w²))"),
        (r"\frac{1}{4\beta_c}", "1/(4β_c)"),
        (r"\frac{a}{1+(b/c-1)e^{-2ct}}", "a/(1+(b/c-1)e^(-2ct))"),
        (r"\sum_{i\le K}\tau\ln t^{1/4}", "∑_(i≤K)τ ln t^(1/4)"),
        (r"v_i\ne0, W^\top, \lambda_{\max}, 10^{-12}, \mathcal V''", "v_i≠0, W^T, λ_max, 10⁻¹², 𝒱″"),
    ],
)
def test_mathematics_on_one_line(latex, plain):
    page = Page("test", blocks=[Prose(f"**bold ${latex}$ text**")])
    assert typeset.text(page).splitlines()[0] == f"bold {plain} text"


def test_prose_in_latex():
    page = Page(
        "test", blocks=[Prose("# A title\n\nAn *aside*, `code_a`, [a link](x.md), 5 %, **$a_b$ bold**:\n\n- λ\n- $x$")]
    )
    assert r"""\section*{A title}

An \emph{aside}, \texttt{code\_a}, \href{x.md}{a link}, 5 \%, \textbf{$a_b$ bold}:

\begin{itemize}
\item \ensuremath{\lambda}
\item $x$
\end{itemize}""" in typeset.latex(page)


def test_prose_fits_a_narrow_terminal(page):
    """Formulas cannot be wrapped; prose and statements can."""
    for line in typeset.text(page, width=60).splitlines():
        if not line.startswith("    ") and "----" not in line and "====" not in line:
            assert len(line) <= 60 or " " not in line.strip(), line


# --------------------------------------------------------------------------------------------- mutations


def mutated(name):
    """One coefficient of the loss, changed by a tenth."""
    factor = sp.Rational(11, 10)
    if name in ("x²", "x x̂", "x̂²"):
        one = {"x²": 1, "x x̂": 1, "x̂²": 1} | {name: factor}
        return "squared_error", lambda x, r: (one["x²"] * x**2 - 2 * one["x x̂"] * x * r + one["x̂²"] * r**2) / 2
    one = {"μ²": 1, "s": 1, "1": 1, "ln s": 1} | {name: factor}
    return "kl", lambda m, v: (one["μ²"] * m + one["s"] * v - one["1"] - one["ln s"] * sp.log(v)) / 2


# One loss has no squared error; two coefficients shift a loss by a constant, which breaks pages that state values.
NO_SQUARED_ERROR = {"exponential-family"}
OWN_TERMS = {"counts-with-library-sizes"}  # no term of the linear loss: see OWN_LINES
CHANGES = [
    (name, coefficient)
    for name in symbolic.names()
    for coefficient in ("x x̂", "x̂²", "μ²", "s", "ln s")
    if name not in OWN_TERMS and not (name in NO_SQUARED_ERROR and "x" in coefficient)
]
CHANGES += [(name, constant) for name in ("loss", "equilibrium") for constant in ("x²", "1")]


# Pages whose first check that breaks comes after two to fifteen seconds, and one coefficient of another page.
LATE = {
    "loss",
    "landscape",
    "exponential-family",
    "first-order-collapse",
    "any-reconstruction-loss",
    "onset-of-the-next-latent",
    "the-frontier",
}


def late(name, change=""):
    return [pytest.mark.slow] if name in LATE or (name, change) == ("learned-variance", "μ²") else []


@pytest.mark.parametrize(("name", "coefficient"), [pytest.param(*each, marks=late(*each)) for each in CHANGES])
def test_a_changed_coefficient_breaks_the_page(name, coefficient, monkeypatch):
    """A check that survives another loss proves nothing."""
    monkeypatch.setattr(linear, *mutated(coefficient))
    with pytest.raises((CheckFailed, InputError)):
        symbolic.derive(name)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["κ₂/2!", "κ₃/3!", "κ₄/4!", "⟨xη⟩"])
def test_a_changed_coefficient_breaks_the_exponential_family(change, monkeypatch):
    """The same for the loss without a squared error: one of its own terms, changed by a tenth."""
    true = symbolic.exponential_family

    def changed(families, direction, order=4):
        if change[0] == "κ":
            n = "₂₃₄".index(change[1]) + 1
            families = [[k * sp.Rational(11, 10) if i == n else k for i, k in enumerate(kappa)] for kappa in families]
        theory = true(families, direction, order)
        e, slow = theory.fast[: len(families)], theory.slow
        data = sum(slow * u * e[j] * symbolic.moment(i, j) for i, u in enumerate(direction) for j in range(len(e)))
        return theory.with_loss(theory.loss - data / 10) if change == "⟨xη⟩" else theory

    monkeypatch.setattr(symbolic, "exponential_family", changed)
    with pytest.raises((CheckFailed, InputError)):
        symbolic.derive("exponential-family")


@pytest.mark.slow
@pytest.mark.parametrize("change", ["score", "curvature", "third"])
def test_a_changed_expansion_breaks_any_reconstruction_loss(change, monkeypatch):
    """The same for a term that is known by its derivatives alone: one of them, changed by a tenth."""
    true, factor = any_loss.taylor, sp.Rational(11, 10)

    def changed(score, curvature, shift, third=0):
        parts = {"score": score, "curvature": curvature, "third": third}
        parts[change] = factor * parts[change]
        return true(parts["score"], parts["curvature"], shift, parts["third"])

    monkeypatch.setattr(any_loss, "taylor", changed)
    with pytest.raises(CheckFailed):
        symbolic.derive("any-reconstruction-loss")


# What these pages add to the loss: polynomials that are orthogonal, outcomes of coins, moments, the best outputs.
OWN_LINES = [
    ("onset-of-the-next-latent", "z * hermite(n - 1, z) - sp", "z * hermite(n - 1, z) - sp.Rational(11, 10) * sp"),
    ("onset-of-the-next-latent", "if sum(o) == wanted", "if sum(o) >= wanted"),
    ("the-frontier", "(4, 0): m4", "(4, 0): 11 * m4 / 10"),
    ("the-frontier", "gaussian(y, 0, delta)", "gaussian(y, 0, 11 * delta / 10)"),
    ("constraints-on-the-rate", "sp.sqrt(x) * (B + 2)", "sp.sqrt(x) * (B + 3)"),
    ("counts-with-library-sizes", "(x + theta) * sp.log", "(x + 11 * theta / 10) * sp.log"),
    ("counts-with-library-sizes", "J = sp.eye(d) - ones", "J = sp.eye(d) - 11 * ones / 10"),
    ("counts-with-library-sizes", "s.sum(axis=1).mean() *", "1.1 * s.sum(axis=1).mean() *"),
    ("constraints-on-the-rate", "y**2 * m2, s)  #", "y**2 * m2 * 11 / 10, s)  #"),
]


@pytest.mark.parametrize(
    ("name", "line", "changed"),
    [pytest.param(*each, marks=late(each[0]), id="-".join(part[:12] for part in each)) for each in OWN_LINES],
)
def test_a_changed_line_breaks_the_page(name, line, changed, tmp_path):
    """The same for what a page writes down itself."""
    script = results.scripts()[name].read_text(encoding="utf-8")
    assert line in script
    path = tmp_path / "page.py"
    path.write_text(script.replace(line, changed), encoding="utf-8")
    with pytest.raises(CheckFailed):
        run(name, path)


@pytest.mark.slow
@pytest.mark.parametrize("powers", [(3, 0, 0), (4, 0, 0), (2, 1, 0), (0, 2, 0), (0, 0, 2), (1, 1, 0)])
def test_a_changed_moment_breaks_the_first_order_collapse(powers, monkeypatch):
    """The same for the moments of the rows: one of them larger by a tenth of a variance."""
    true = first_collapse.row_moment

    def changed(*asked):
        return true(*asked) + sp.Rational(int(asked == powers), 10)

    monkeypatch.setattr(first_collapse, "row_moment", changed)
    with pytest.raises((CheckFailed, InputError)):
        symbolic.derive("first-order-collapse")


def test_checks_can_fail():
    x = sp.Symbol("x", positive=True)
    for claim in (
        x,
        False,
        sp.false,
        np.bool_(False),
        None,
        x - 1 > 0,
        sp.Matrix([[0, x]]),
        sp.Integer(1),
        sp.Rational(1, 10**20),
    ):
        with pytest.raises(CheckFailed):
            check("nothing", claim)


# ----------------------------------------------------------------------------- the numerical layer


@pytest.fixture(scope="module")
def derived():
    return symbolic.derive("equilibrium").formulas


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=12, unique=True),
    st.floats(1e-3, 1e3),
)
def test_closed_forms_are_the_derived_expressions(derived, eigenvalues, price):
    """What NumPy computes and what SymPy derives, on random spectra and prices."""
    spectrum = lv.Spectrum.from_eigenvalues(eigenvalues)
    state = lv.equilibrium(spectrum, lv.Loss.gaussian(beta=price))
    lam = spectrum.eigenvalues
    alive = lam > price
    total = lam.sum()
    expected = {
        "M^2": state.signal_fraction,
        "R": state.rate,
        "D": state.distortion * total,
        r"V\,\Delta\tilde D_\text{sampled}": state.utility("sampled") * total,
        r"V\,\Delta\tilde D_\text{mean}": state.utility("mean") * total,
    }
    for name, numbers in expected.items():
        formula = sp.lambdify([linear.lam, linear.tau], derived[name])
        values = formula(lam, price) * np.ones(len(lam))
        # differences such as 1 − τ/λ and λ − τ lose digits near the threshold: the scale is that of their terms
        scale = 1.0 if name in ("M^2", "R") else lam[alive]
        np.testing.assert_array_less(
            abs(values[alive] - numbers[alive]), CLOSED * scale * np.ones(alive.sum()) + 1e-300
        )


# -------------------------------------------------------------------------------------------- the folder


def test_the_index_lists_every_page_and_its_examples_run():
    for path in results.scripts().values():
        assert f"]({path.with_suffix('.md').name})" in INDEX
    listed = re.findall(r"\]\((\d\d_\w+\.md)\)", INDEX)
    assert listed == [path.with_suffix(".md").name for path in results.scripts().values()]
    assert run_examples(INDEX) >= 9
    assert sum(line.startswith((">>>", "...")) for line in blocks(INDEX, "pycon")[1].splitlines()) < 20


def test_the_worked_example_by_another_route():
    """The tilted prior of the index: its living state, minimised without an expansion."""
    from scipy.optimize import minimize

    m, tau = 0.8, 0.4

    def loss(p):
        w, e, log_s, c = p
        s = np.exp(log_s)
        error = 1 - 2 * w * e + w**2 * (e**2 + s + c**2)
        return 0.5 * error + 0.5 * tau * (e**2 + (c - m) ** 2 + s - 1 - log_s)

    found = minimize(loss, [1.0, 1.0, -0.5, 0.1], tol=1e-14).x
    assert found[0] ** 2 == pytest.approx(1 - tau * (1 + m**2), rel=1e-5)  # finite-difference gradients


def test_scripts_run_as_plain_python(capsys):
    runpy.run_path(str(results.scripts()["order-parameter"]))
    assert "✓ the signal fraction is unchanged" in capsys.readouterr().out


def test_pages_do_not_depend_on_the_order_of_sets():
    code = "import hashlib; from landau_vae.symbolic import derive, typeset; "
    code += "print(hashlib.sha256(typeset.markdown(derive('equilibrium')).encode()).hexdigest())"
    digests = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code]
        digests.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(digests) == 1


@pytest.mark.parametrize(("name", "options", "message"), [
    ("nonsense", {}, "There is no derivation 'nonsense': name one of loss, collapse"),
    ("loss", {"order": 8}, "'loss' has no order to choose; collapse has"),
    ("collapse", {"color": 8}, "'collapse' has no color to choose; no derivation has"),
    ("collapse", {"order": 1}, "order is 1, but a whole number from 2 to 40 is expected"),
])  # fmt: skip
def test_what_cannot_be_derived(name, options, message):
    with pytest.raises(InputError, match=message):
        symbolic.derive(name, **options)
