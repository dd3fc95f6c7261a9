"""The presets of the playground: each ends as it says, holds for nothing else, and leads to its notebook."""

import pytest
from bs4 import BeautifulSoup

NAMES = ["sleeps", "rate", "twenty", "cold", "two", "dropout"]


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_ends_as_it_says_in_20_of_20_seeds(node, name):
    assert node("presets", seeds=list(range(1, 21)), only=name) == {name: []}


@pytest.mark.parametrize("name", NAMES)
def test_no_preset_holds_for_a_run_that_shows_nothing(node, name):
    """Neither where both networks guess, nor where both are equally good, nor with the findings turned round."""
    assert node("verdicts", only=name) == {"guessing": False, "equal": False, "reversed": False}


def test_every_preset_is_tested(node):
    assert node("names") == NAMES


def test_every_preset_leads_to_a_section_of_a_notebook(node, site):
    for name, (page, anchor) in node("targets").items():
        html = (site / "notebooks" / f"{page}.html").read_text(encoding="utf-8")
        assert BeautifulSoup(html, "html.parser").find(id=anchor), f"{name}: {page}.html#{anchor}"
