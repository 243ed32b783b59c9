"""Mutants that change no result, with the reason; they are left out of the draw."""

EQUIVALENT: dict[str, str] = {}
