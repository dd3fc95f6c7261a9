"""Every page of the site in a real browser: nothing is fetched from elsewhere, and its formulas are set."""

import pytest

from tests.environments.published import ROOT
from tests.site.pages import is_complaint, serving

PAGES = [
    "index", "instructors", "performance", "playground", "verdicts",
    *(f"notebooks/{path.stem}" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))),
]  # fmt: skip
RAW = r"\$\$|\\frac|\\sqrt|\\gamma|\\hat|\\text"


@pytest.fixture(scope="module")
def address_of(site):
    """The address of a page, from a server or from a disk."""
    with serving(site) as server:
        yield lambda name, scheme: f"{server}/{name}.html" if scheme == "http" else (site / f"{name}.html").as_uri()


@pytest.mark.parametrize("scheme", ["http", "file"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_no_other_host_and_sets_its_formulas(chromium, address_of, name, scheme):
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page, address = context.new_page(), address_of(name, scheme)
    own = address.split("/", 3)[:3]
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: is_complaint(message) and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address, wait_until="load")
    formulas = page.locator(".bd-article .math").count()
    if formulas:
        page.wait_for_function("() => document.querySelector('.bd-article .math mjx-container svg')")
        page.evaluate("MathJax.startup.promise")
        assert page.locator(".bd-article .math mjx-container").count() >= formulas
        assert not page.locator(".bd-article [data-mjx-error]").count()
    assert not [url for url in requests if url.split("/", 3)[:3] != own and not url.startswith(("data:", "blob:"))]
    assert not complaints
    prose = page.evaluate(
        "() => [...document.querySelectorAll('.bd-article p, .bd-article li')].map(part => part.innerText).join('\\n')"
    )
    assert not page.evaluate("([text, raw]) => (text.match(new RegExp(raw, 'g')) || [])", [prose, RAW])
    context.close()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_is_read_without_scrolling_sideways(chromium, address_of, name, width):
    """The page as a whole; a wide formula, table or cell of code may scroll in its own place."""
    context = chromium.new_context(viewport={"width": width, "height": 844})
    page = context.new_page()
    page.goto(address_of(name, "http"), wait_until="load")
    if page.locator(".bd-article .math").count():
        page.wait_for_function("() => document.querySelector('.bd-article .math mjx-container svg')")
        page.evaluate("MathJax.startup.promise")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = "part => part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== 'inline'"
    found = page.evaluate(f"() => [...document.querySelectorAll('.bd-article p, .bd-article li')].filter({wide})"
                          ".map(part => part.innerText.slice(0, 80))")  # fmt: skip
    assert not found, "text that is cut or scrolls sideways"
    context.close()
