"""Findings of a training, each said once: alarms as warnings, remarks in the log of the package."""

import logging
import warnings
from collections.abc import Iterable

from landau_vae.diagnosis import MonitorWarning
from landau_vae.findings import Finding

PREFIX = "landau/"  # of the names of numbers in loggers


class Announced:
    """Codes of the findings that were said already."""

    def __init__(self) -> None:
        self.codes: set[str] = set()

    def say(self, findings: Iterable[Finding]) -> None:
        """Say the findings that are new."""
        for each in findings:
            if each.code in self.codes:
                continue
            self.codes.add(each.code)
            sentence = f"{each.sentence} {each.advice}".strip()
            if each.alarm:
                warnings.warn(sentence, MonitorWarning, stacklevel=3)
            else:
                logging.getLogger("landau_vae").info(sentence)


def prefixed(numbers: dict[str, float]) -> dict[str, float]:
    """Return numbers under the names that loggers have."""
    return {f"{PREFIX}{name}": value for name, value in numbers.items()}
