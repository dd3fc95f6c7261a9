"""The site: built from the stored notebooks without a warning, every figure described, every inner link good."""

from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup

from helpers import playground
from helpers.claims import CLAIMS
from tests.environments import published

NAMES = [path.stem for path in sorted((published.ROOT / "notebooks").glob("*.ipynb"))]


@pytest.fixture(scope="session")
def pages(site):
    """{path: parsed page} of all pages."""
    paths = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    return {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in paths}


def test_front_page_shows_the_verdict_on_every_claim(site, pages):
    rows = [[cell.get_text(strip=True) for cell in row("td")] for row in pages[site / "index.html"]("tr")]
    assert [row[0] for row in rows if row and row[0] in CLAIMS] == list(CLAIMS)
    assert all(row[2] for row in rows if row and row[0] in CLAIMS)


def test_front_page_leads_to_the_playground(site, pages):
    links = [link["href"] for link in pages[site / "index.html"].select(".bd-article a[href]")]
    assert "playground.html" in links
    scripts = {
        path: [script["src"] for script in page.select("script[src*=playground]")] for path, page in pages.items()
    }
    assert scripts.pop(site / "playground.html")
    assert not any(scripts.values()), "no other page loads its scripts"


def test_every_notebook_is_in_the_menu(site, pages):
    menu = {link["href"] for link in pages[site / "index.html"].select("nav.bd-links a")}
    assert menu >= {f"notebooks/{name}.html" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_there_and_described(site, pages, name):
    images = pages[site / "notebooks" / f"{name}.html"].select(".bd-article img")
    stored = nbformat.read(published.ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    outputs = [output.get("data", {}) for cell in stored.cells for output in cell.get("outputs", [])]
    figures = [data for data in outputs if "image/png" in data or data.get("text/plain") == playground.CAPTION]
    assert len(images) == len(figures)
    for image in images:
        assert len(image.get("alt", "").split()) >= 5, image  # a sentence, not a file's name


def test_every_explorer_is_live(site, pages):
    found = {
        path.stem: [place["data-explorer"] for place in page.select("[data-explorer]")] for path, page in pages.items()
    }
    assert {name: explorers for name, explorers in found.items() if explorers} == {
        "01_internal_covariate_shift": ["distributions"],
        "02_batchnorm_from_scratch": ["normalisation", "momentum"],
        "04_placement": ["placement"],
    }


@pytest.mark.parametrize("name", NAMES)
def test_pages_offer_colab_and_binder(site, pages, name):
    links = [
        link["href"] for link in pages[site / "notebooks" / f"{name}.html"].select(".article-header-buttons a[href]")
    ]
    repository = published.REPOSITORY
    assert f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb" in links
    binder = [unquote(link) for link in links if link.startswith(f"https://mybinder.org/v2/gh/{repository}/main")]
    assert [link.endswith(f"lab/tree/notebooks/{name}.ipynb") for link in binder] == [True]


def test_inner_links_and_anchors_lead_somewhere(pages):
    broken = []
    for path, page in pages.items():
        for element in page.select("a[href], link[href], script[src], img[src]"):
            target = urlsplit(element.get("href") or element.get("src"))
            if target.scheme or target.netloc:
                continue
            file = (path.parent / unquote(target.path)).resolve() if target.path else path
            if not file.is_file():
                broken.append(f"{path.name}: {target.geturl()}")
            elif target.fragment and file in pages and not pages[file].find(id=unquote(target.fragment)):
                broken.append(f"{path.name}: {target.geturl()}")
    assert not broken


def test_pages_fetch_nothing_from_elsewhere(pages):
    """Styles, fonts, scripts and what sets the formulas come with the site."""
    outside = {
        element.get("src") or element.get("href")
        for page in pages.values()
        for element in page.select("script[src], link[rel=stylesheet], img[src], iframe")
        if urlsplit(element.get("src") or element.get("href") or "").netloc
    }
    assert not outside


def test_the_site_is_small(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 20e6
