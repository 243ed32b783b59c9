"""Examples in Markdown files, as the tests find and run them."""

import doctest
import re


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def run_examples(text: str) -> int:
    """Run all Python examples as one session; how many there are."""
    session = "\n".join(blocks(text, "pycon"))
    examples = doctest.DocTestParser().get_doctest(session, {}, "README.md", "README.md", 0)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(examples, out=report.append).failed == 0, "".join(report)
    return len(examples.examples)
