"""The explorers of the site as a reader meets them: mouse, finger and keyboard, narrow and wide, light and dark."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest

from helpers.explorers import DistributionExplorer, MomentumExplorer, NormalizationExplorer
from tests.environments import published
from tests.site.pages import is_complaint, problems, serving
from tests.test_explorers import distributions, placements

SCREENSHOTS = published.ROOT / "build" / "screenshots"
PAGES = {
    "normalisation": ("02_batchnorm_from_scratch", NormalizationExplorer),
    "momentum": ("02_batchnorm_from_scratch", MomentumExplorer),
    "placement": ("04_placement", placements),
    "distributions": ("01_internal_covariate_shift", distributions),
}
NAMES = list(PAGES)
ALL_DRAWN = """[...document.querySelectorAll("[data-explorer]")].every(
    (place) => place.shadowRoot?.querySelector("svg text"))"""

SHARE = "input => (input.value - input.min) / (input.max - input.min)"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a site whose explorers have a state, whether or not the stored notebooks have one yet."""
    course = published.copy_course(tmp_path_factory.mktemp("explorers"))
    for name, make in PAGES.values():
        path = course / "notebooks" / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        explorer = make()
        (output,) = [
            output
            for cell in notebook.cells
            if re.search(rf"^{type(explorer).__name__}\(", cell.source, re.MULTILINE)
            for output in cell.outputs
        ]
        output.metadata["explorer"] = nbformat.from_dict(explorer._repr_mimebundle_()[1]["explorer"])
        nbformat.write(notebook, path)
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-W", "--keep-going", "docs", "build/site"]
    answer = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    with serving(course / "build" / "site") as found:
        yield found


@pytest.fixture
def open_explorer(chromium, address):
    """open_explorer(name, width=1280, theme="light", **context): the place of the explorer in its page.

    The page has `errors` and `foreign` requests; what is foreign gets an empty answer.
    """
    contexts = []

    def opened(name, width=1280, theme="light", **context):
        contexts.append(chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **context))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.errors, page.foreign = [], []
        page.on("console", lambda message: is_complaint(message) and page.errors.append(message.text))
        page.on("pageerror", lambda error: page.errors.append(str(error)))

        def answer(route):
            page.foreign.append(route.request.url)
            route.fulfill(body="")

        page.route(lambda url: not url.startswith((address, "data:")), answer)
        page.goto(f"{address}/notebooks/{PAGES[name][0]}.html")
        place = page.locator(f"[data-explorer={name}]")
        if context.get("java_script_enabled", True):  # a picture that becomes an explorer moves what is below it
            page.wait_for_function(ALL_DRAWN)
        place.scroll_into_view_if_needed()
        return page, place

    yield opened
    for context in contexts:
        context.close()


def words(place):
    return place.locator("#words").inner_text()


def picture_of(place):
    return place.locator("svg[role=img]").inner_html()


def is_clean(page):
    assert not page.errors
    assert not page.foreign


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", NAMES)
def test_it_stands_where_the_picture_stood(open_explorer, axe, name, width, theme):
    page, place = open_explorer(name, width, theme)
    explorer = PAGES[name][1]()
    assert words(place) == explorer.plot.caption
    labels = [control.description for control in explorer.controls.values()]
    assert re.findall("|".join(labels), place.locator(".controls").inner_text()) == labels
    assert not place.locator("img").is_visible()
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = place.bounding_box()
    for text in place.locator("svg text").all():
        inner = text.bounding_box()
        assert inner["height"] >= 12
        assert box["x"] - 1 <= inner["x"] <= inner["x"] + inner["width"] <= box["x"] + box["width"] + 1, (
            text.inner_html()
        )
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    place.screenshot(path=SCREENSHOTS / f"9-explorer-{name}-{width}-{theme}.png")
    assert not problems(page, axe, f"[data-explorer={name}]")
    is_clean(page)


@pytest.mark.parametrize("name", NAMES)
def test_every_control_follows_the_keyboard_to_its_ends(open_explorer, name):
    page, place = open_explorer(name)
    explorer = PAGES[name][1]()
    for stored in explorer.state()["controls"]:
        control = stored["name"]
        ends = [stored["options"][at] for at in (0, -1)] if "options" in stored else [stored["min"], stored["max"]]
        keys = ("Home", "End")
        if stored.get("buttons"):  # an arrow goes on to the next button, and from the last to the first
            keys = ["ArrowRight"] * len(stored["options"])
            at = stored["options"].index(stored["value"])
            ends = stored["options"][at + 1 :] + stored["options"][: at + 1]
        for key, end in zip(keys, ends, strict=True):
            before, picture = words(place), picture_of(place)
            moves = explorer.controls[control].value != end
            place.locator(f"#{control}, [name={control}]:checked").focus()
            page.keyboard.press(key)
            explorer.controls[control].value = end
            assert words(place) == explorer.plot.caption
            assert (words(place) != before) == moves, control
            # An epsilon far below the variance is rightly invisible in the picture.
            assert (picture_of(place) != picture) == moves or control == "epsilon", control
    is_clean(page)


@pytest.mark.parametrize("touch", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_mouse_and_finger_move_a_control(open_explorer, name, touch):
    page, place = open_explorer(name, 390, has_touch=touch)
    before, control = words(place), place.locator("input:not(:checked)").last.element_handle()
    is_slider = control.get_attribute("type") == "range"
    # Far from where the handle stands: to press it moves nothing.
    there = (0.1 if control.evaluate(SHARE) > 0.5 else 0.9) if is_slider else 0.5
    box = control.bounding_box()
    at = {"x": there * box["width"], "y": box["height"] / 2}
    control.tap(position=at) if touch else control.click(position=at)
    assert words(place) != before
    assert control.evaluate(SHARE) == pytest.approx(there, abs=0.11) if is_slider else control.is_checked()
    is_clean(page)


def test_the_words_are_announced_once_the_slider_rests(open_explorer):
    page, place = open_explorer("momentum")
    announced = place.locator("[aria-live=polite]")
    assert announced.inner_text() == ""  # nobody has moved anything
    place.get_by_role("slider", name="steps").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert announced.inner_text() == ""
    page.wait_for_timeout(1000)
    assert announced.inner_text() == words(place) != ""


@pytest.mark.parametrize("name", NAMES)
def test_without_javascript_the_picture_stays(open_explorer, name):
    _, place = open_explorer(name, java_script_enabled=False)
    assert place.locator("img").is_visible()
    assert len(place.locator("img").get_attribute("alt").split()) >= 5
    assert place.locator("svg").count() == 0


@pytest.mark.parametrize("name", NAMES)
def test_it_follows_the_width_of_its_place(open_explorer, name):
    page, _ = open_explorer(name)
    for width in (390, 800):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(
            """name => {
                const place = document.querySelector(`[data-explorer=${name}]`);
                const svg = place.shadowRoot.querySelector("svg");
                return Math.abs(svg.getAttribute("width") - place.clientWidth) <= 1;
            }""",
            arg=name,
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_redraw_is_quick(open_explorer, name):
    page, place = open_explorer(name)
    times = place.evaluate(
        """place => {
            const times = [];
            for (const input of place.shadowRoot.querySelectorAll("input[type=range]"))
                for (let k = 0; k < 60; k++) {
                    input.value = +input.min + ((+input.max - input.min) * k) / 59;
                    const begin = performance.now();
                    input.dispatchEvent(new Event("input"));
                    place.getBoundingClientRect();
                    place.shadowRoot.querySelector("svg").getBBox(); // the layout belongs to it
                    times.push(performance.now() - begin);
                }
            for (const input of place.shadowRoot.querySelectorAll("input[type=radio]")) {
                const begin = performance.now();
                input.click();
                place.shadowRoot.querySelector("svg").getBBox();
                times.push(performance.now() - begin);
            }
            return times;
        }"""
    )
    times.sort()
    median, most = times[len(times) // 2], times[int(0.95 * len(times))]
    print(f"{name}: a redraw takes {median:.1f} ms, 95 % less than {most:.1f} ms")
    assert median < 24  # three times what it takes on two busy cores
    assert most < 48
    is_clean(page)


def test_other_pages_load_none_of_it(chromium, address):
    page = chromium.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/index.html")
    assert not [url for url in asked if "explorers" in url]
    page.goto(f"{address}/notebooks/02_batchnorm_from_scratch.html")
    page.locator("[data-explorer] svg text").first.wait_for()
    found = {match.group(1) for url in asked if (match := re.search(r"explorers/(\w+)\.js", url))}
    assert found == {"load", "mount", "normalisation", "momentum", "numbers", "svg"}
    page.close()


def test_from_a_disk_the_picture_stays(chromium, site):
    context = chromium.new_context()
    page = context.new_page()
    page.goto((site / "notebooks" / "02_batchnorm_from_scratch.html").as_uri())
    assert all(image.is_visible() for image in page.locator(".bd-article img").all())
    context.close()


def test_modules_are_small():
    sizes = {path.name: path.stat().st_size for path in (published.ROOT / "docs/static/explorers").glob("*.js")}
    assert sizes
    assert all(size < 20_000 for size in sizes.values()), sizes


def test_states_are_small():
    """Also that of 01, with all its units and steps; the other pages have less."""
    values = np.random.default_rng(0).normal(size=(8, 25, 128, 100)).astype(np.float32)
    runs = SimpleNamespace(
        pre_activations={f"activation_{layer}": values for layer in (1, 2, 3)},
        settings=SimpleNamespace(probes=SimpleNamespace(at=tuple(range(0, 601, 25)))),
    )
    explorers = [DistributionExplorer({"without": runs, "with": runs}), NormalizationExplorer(), MomentumExplorer()]
    sizes = [len(json.dumps(explorer.state(), separators=(",", ":"))) for explorer in explorers]
    print(f"states of {sizes} bytes")
    assert sizes[0] < 150_000
    assert sum(sizes[1:]) < 150_000
