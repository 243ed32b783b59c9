"""Keep pytest from importing the studies, which are no tests."""

collect_ignore_glob = ["*.py"]
