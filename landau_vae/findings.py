"""What a check finds: one kind of `Finding` for diagnosis, verification and the monitor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import fill
from typing import Any, Literal

from landau_vae.display import jsonable

Severity = Literal["alarm", "remark"]

WIDTH = 100  # columns of printed findings


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing that a check found: what, how serious, what it means and what to do.

    >>> finding = Finding("kl-off", "alarm", "The KL term has no effect on this model.", "Check its weight.")
    >>> finding.alarm, str(finding)
    (True, '! kl-off: The KL term has no effect on this model. Check its weight.')
    """

    code: str  #: short and stable: programs may rely on it
    severity: Severity  #: an alarm says that something is wrong; a remark what is worth knowing
    sentence: str  #: what was found, with numbers and their margin, and what it means
    advice: str = ""  #: what to do
    evidence: Mapping[str, Any] = field(default_factory=dict)  #: the numbers behind it, by name

    @property
    def alarm(self) -> bool:
        """Whether something is wrong."""
        return self.severity == "alarm"

    def __str__(self) -> str:
        return f"{'!' if self.alarm else '·'} {self.code}: {self.sentence} {self.advice}".rstrip()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as strict JSON."""
        return jsonable({**vars(self), "alarm": self.alarm})


def alarm(code: str, sentence: str, advice: str = "", evidence: Mapping[str, Any] | None = None) -> Finding:
    """Return a finding that says that something is wrong."""
    return Finding(code, "alarm", sentence, advice, evidence or {})


def remark(code: str, sentence: str, advice: str = "", evidence: Mapping[str, Any] | None = None) -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(code, "remark", sentence, advice, evidence or {})


def by_severity(findings: Sequence[Finding | None]) -> tuple[Finding, ...]:
    """Return the findings that there are, alarms first, else in their order."""
    return tuple(sorted((each for each in findings if each is not None), key=lambda each: not each.alarm))


def in_words(findings: Sequence[Finding]) -> str:
    """Return one paragraph per finding, alarms marked with "!", remarks with "·"."""
    return "\n".join(
        fill(str(each), WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for each in findings
    )
