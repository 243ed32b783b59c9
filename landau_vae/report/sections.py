"""The parts of a diagnosis page: each takes a diagnosis and gives HTML; whatever comes from outside is escaped."""

from collections.abc import Callable, Sequence
from html import escape

from matplotlib.axes import Axes

from landau_vae import plotting
from landau_vae.diagnosis import Diagnosis, Recommendation
from landau_vae.display import significant
from landau_vae.findings import Finding
from landau_vae.report.inline_svg import vector
from landau_vae.report.words import ASKED, GLOSSARY, HEADLINE, MARK

__all__ = ["SECTIONS", "facts", "headline", "pictures"]

ROWS = 200  # of a table, at most; all numbers are in the JSON
PROSE = {"question", "alive if", "what it asks", "source", "verdict"}  # columns of words
LONG = 24  # rows, from which on a table scrolls down in itself


def headline(result: Diagnosis) -> str:
    """The verdict in plain words."""
    return HEADLINE["nonlinear" if result.healthy and "nonlinear" in result.codes else result.verdict]


def facts(result: Diagnosis) -> str:
    """What one wants to know first."""
    q, knob = result.posterior, result.loss.knob
    pairs = [
        ("active latents", f"{int(result.is_active.sum())} of {q.latents}"),
        ("predicted", str(int(result.predicted.active))),
        (knob, significant(float(result.loss.beta), 4)),
        ("price τ", significant(result.price, 4)),
        *([] if result.implied_price is None else [("τ̂ of the latents", significant(result.implied_price, 4))]),
        ("data", f"{q.samples} × {result.spectrum.dimension}"),
    ]
    return f"<dl class=facts>{''.join(f'<div><dt>{escape(a)}</dt><dd>{escape(b)}</dd></div>' for a, b in pairs)}</dl>"


def pictures(result: Diagnosis) -> str:
    """Four panels with their captions."""
    knob = result.loss.knob
    floor = "" if result.floor is None else " Grey: what sampling noise alone can reach."
    own = "" if result.decoded is None else " Squares: your own decoder, of μ (filled) and of a drawn z (open)."
    prefix = "" if result.observed is None else " Dots: the best linear decoder of your ranked latents."
    effect = {"lower-price", "higher-price"} & set(result.codes)
    drawn: list[tuple[Callable[[Diagnosis, Axes], Axes], str]] = [
        (plotting.diagnosed_cascade,
         f"Signal fraction M² of each mode against {knob}: lines as predicted, rings where the modes should be at your "
         f"{knob}, dots where they are." + (" In red: where the model really stands." if effect else "")),
        (plotting.latent_bars,
         "Each latent’s signal fraction M², strongest first. Ticks: predicted. The mark under a bar is its verdict."),
        (plotting.rank_distortion_of,
         f"Share of the variance that the first k leave out. Line: principal components.{prefix}{own}"),
        (plotting.spectrum_with_floor,
         f"Variance of the data along each mode. Above the price τ a mode is worth a latent.{floor}"),
    ]  # fmt: skip
    panels = []
    for letter, (draw, caption) in zip("abcd", drawn, strict=True):
        image, heading = vector(draw, result, draw.__name__.replace("_", "-"))
        panels.append(
            f'<figure><div class=picture role=img aria-label="{escape(f"{heading}. {caption}")}">{image}</div>'
            f"<figcaption><b><span class=letter>{letter}</span> {escape(heading)}.</b> {escape(caption)}</figcaption>"
            "</figure>"
        )
    return f"<section class=panels aria-label=Pictures>{''.join(panels)}</section>"


def findings(result: Diagnosis) -> str:
    """What was found, how one sees it, and what to do."""
    if not result.findings:
        return _section("Findings", "<p>Nothing to report.</p>")
    return _section("Findings", f"<ul class=findings>{''.join(_finding(each) for each in result.findings)}</ul>")


def _finding(each: Finding) -> str:
    advice = f"<p><b>What to do.</b> {escape(each.advice)}</p>" if each.advice else ""
    kind, mark = ("alarm", "! alarm") if each.alarm else ("note", "· note")
    return (
        f"<li class={kind}><p class=code><span>{mark}</span> <code>{escape(each.code)}</code></p>"
        f"<div><p>{escape(each.sentence)}</p>{advice}</div></li>"
    )


def recommendations(result: Diagnosis) -> str:
    """Which β next."""
    knob = result.loss.knob
    rows = [_recommended(each) for each in result.recommendations]
    head = ["question", knob, "from … to", "latents", "variance lost"]
    return _section(f"Which {knob} next", _table(head, rows, f"Which {knob} next"))


def _recommended(each: Recommendation) -> list[str]:
    if each.choice is None:
        return [f"{each.question}: {each.refusal}", "—", "—", "—", "—"]
    question = f"{each.question}, {each.condition}" if each.condition else each.question
    return [question, significant(each.choice.beta, 4), each.interval, str(each.latents), f"{each.lost:.1%}"]


def latents(result: Diagnosis) -> str:
    """Every latent, the strongest first."""
    q, seen = result.posterior, result.observed
    order = q.ranking
    rows = []
    for k in order[:ROWS]:
        own = [] if seen is None else [str(seen.mode[k] + 1) if result.is_active[k] else "—", f"{seen.linear[k]:.0%}"]
        rows.append([
            str(k + 1), f"{MARK.get(result.status[k], '')} {result.status[k]}", f"{q.signal_fraction[k]:.4f}",
            f"{q.rate[k]:.4f}", f"{q.second_moment[k]:.4f}", significant(q.mean_variance[k], 4),
            significant(q.variance[k], 4), *own,
        ])  # fmt: skip
    head = ["latent", "verdict", "M²", "R (nat)", "A²", "Var μ", "σ²", *([] if seen is None else ["mode", "linear"])]
    return _section("Latents", _table(head, rows, "Latents") + _more(len(order)))


def modes(result: Diagnosis) -> str:
    """Every mode with its threshold, as predicted and as observed."""
    e, knob = result, result.loss.knob
    lam = result.spectrum.eigenvalues[: len(e.observed_signal)]
    death = [significant(float(beta), 4) for beta in result.loss.beta_at(lam, result.spectrum)]
    rows = [
        [str(j + 1), significant(lam[j]), death[j], f"{e.predicted_signal[j]:.4f}", f"{e.observed_signal[j]:.4f}"]
        for j in range(min(len(lam), ROWS))
    ]
    head = ["mode", "λ", f"dies at {knob}", "M² predicted", "M² observed"]
    return _section("Modes of the data", _table(head, rows, "Modes") + _more(len(lam)))


def criteria(result: Diagnosis) -> str:
    """How many latents live by which criterion."""
    rows = [
        [each["rule"], str(each["observed"]), str(each["predicted"]), ASKED.get(each["code"], ""), each["source"]]
        for each in result.criteria
    ]
    head = ["alive if", "latents", "predicted", "what it asks", "source"]
    intro = "<p>How many latents live depends on what one calls alive.</p>"
    return _section("Criteria in use", intro + _table(head, rows, "Criteria"))


def dimensions(result: Diagnosis) -> str:
    """How many latents it takes for a tolerance."""
    given = ["pca", *([] if result.observed is None else ["best_linear_decoder"]),
             *([] if result.decoded is None else ["own_decoder"])]  # fmt: skip
    rows = [
        [f"{100 * each['tolerance']:g} %", *(str(each[name] or "not reached") for name in given)]
        for each in result.dimensions
    ]
    head = ["variance lost", *("principal components" if name == "pca" else name.replace("_", " ") for name in given)]
    intro = "<p>How many of the strongest it takes to lose no more than so much of the variance.</p>"
    return _section("Effective dimension", intro + _table(head, rows, "Effective dimension"))


def price(result: Diagnosis) -> str:
    """How β became a price."""
    name = f"<p>Loss of <b>{escape(result.loss.name)}</b>.</p>" if result.loss.name else ""
    return _section(f"How {result.loss.knob} became a price", f"{name}<p>{escape(result.explanation)}</p>")


def glossary(result: Diagnosis) -> str:
    """Every symbol in one sentence."""
    told = "".join(
        f"<dt>{escape(word.format(knob=result.loss.knob))}</dt><dd>{escape(meaning)}</dd>" for word, meaning in GLOSSARY
    )
    return _section("Glossary", f"<dl class=glossary>{told}</dl>")


SECTIONS: tuple[Callable[[Diagnosis], str], ...] = (
    findings, recommendations, latents, modes, criteria, dimensions, price, glossary,
)  # fmt: skip


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _more(count: int) -> str:
    return f"<p class=small>… and {count - ROWS} weaker ones, in the JSON of this page.</p>" if count > ROWS else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> str:
    """A table that scrolls in itself."""
    prose = {i for i, name in enumerate(head) if name in PROSE}

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(f"<{tag}{' class=words' if i in prose else ''}>{escape(x)}</{tag}>" for i, x in enumerate(row))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f'<div class="table{" long" * (len(rows) > LONG)}" role=region tabindex=0 aria-label="{escape(label)}"><table>'
        f"<thead><tr>{cells('th scope=col', head).replace('</th scope=col>', '</th>')}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
