"""The playground as a reader meets it: a real browser, mouse and keyboard, a page from a disk and from a server."""

import itertools
import re

import pytest

from tests.environments.published import ROOT
from tests.site.pages import is_complaint, problems, serving

SCREENSHOTS = ROOT / "build" / "screenshots"
OWN = ("file:", "blob:", "data:", "http://127.0.0.1:")


@pytest.fixture
def open_page(chromium, site):
    """open_page(address="", width=1280, theme="light", root=None): the page, with `errors` and `foreign` requests."""
    contexts = []

    def opened(address="", width=1280, theme="light", root=None):
        contexts.append(chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.errors, page.foreign = [], []
        page.on("console", lambda message: is_complaint(message) and page.errors.append(message.text))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("request", lambda request: request.url.startswith(OWN) or page.foreign.append(request.url))
        page.goto(f"{root or site.as_uri()}/playground.html{address}")
        page.locator(".counter", has_text="step 0").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def server(site):
    """The address of a web server that has the site."""

    with serving(site) as address:
        yield address


def steps(page):
    return int(re.search(r"step (\d+)", page.locator(".counter").inner_text()).group(1))


def wait_for_steps(page, least):
    page.wait_for_function(
        "least => +document.querySelector('.counter').textContent.match(/step (\\d+)/)[1] >= least", arg=least
    )


def press(page, name, key="Enter"):
    """Press a button as a keyboard does."""
    page.get_by_role("button", name=name).focus()
    page.keyboard.press(key)


def losses(page):
    """The last losses, without and with BatchNorm, as the picture's words have them."""
    words = page.locator("figure.loss canvas").get_attribute("aria-label")
    return [float(number) for number in re.findall(r"BatchNorm ([\d.]+\d)", words)]


def accuracy(page, name):
    return float(page.locator(f".legend .{name} strong").inner_text().split()[0])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_trains(open_page, axe, width, theme):
    page = open_page(width=width, theme=theme)
    press(page, "The plain network sleeps", "Space")
    wait_for_steps(page, 1)
    page.locator(".claim strong").wait_for()
    assert steps(page) == 300
    assert "This run shows it" in page.locator(".claim").inner_text()
    assert "This run shows" in page.get_by_role("status").inner_text()
    plain, normalized = losses(page)
    assert plain > 2
    assert normalized < 1.5
    assert accuracy(page, "plain") < 30 < 90 < accuracy(page, "batch")
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"8-playground-{width}-{theme}.png", full_page=True)
    assert not problems(page, axe)
    assert not page.errors
    assert not page.foreign


def test_every_setting_follows_the_keyboard(open_page):
    page = open_page("#depth=3")
    page.locator("#playground-depth").focus()
    page.keyboard.press("ArrowRight")
    assert "depth=4&" in page.url
    assert page.locator("#playground-depth").get_attribute("aria-valuetext") == "4"
    assert page.locator("#playground-layer option").count() == 4
    page.locator("#playground-activation").focus()
    page.keyboard.press("ArrowDown")
    assert "activation=tanh&" in page.url
    press(page, "One step")
    page.locator(".counter", has_text="step 1 ").wait_for()
    press(page, "Another seed")
    page.locator(".counter", has_text="step 0 · seed 2").wait_for()
    press(page, "Play")
    wait_for_steps(page, 5)
    press(page, "Pause")
    page.get_by_role("button", name="Play").wait_for()
    stopped = steps(page)
    page.wait_for_timeout(300)
    assert steps(page) == stopped
    press(page, "From the start")
    page.locator(".counter", has_text="step 0 ").wait_for()
    assert not page.errors


def test_the_same_seed_trains_the_same(open_page):
    found = []
    for seed in (3, 3, 4):
        page = open_page(f"#seed={seed}")
        for _ in range(3):
            press(page, "One step")
        page.locator(".counter", has_text="step 3 ").wait_for()
        found.append(losses_after_pause(page))
    assert found[0] == found[1] != found[2]


def losses_after_pause(page):
    press(page, "Next")
    page.wait_for_timeout(200)
    return page.locator("figure.probabilities .says").inner_text()


def test_an_address_that_asks_for_too_much_is_answered(open_page):
    page = open_page("#rate=1000&activation=tanh&colour=red")
    said = page.get_by_role("alert").inner_text()
    assert "rate cannot be 1000: it is 10" in said
    assert "no setting “colour”" in said
    assert page.locator("#playground-rate").get_attribute("aria-valuetext") == "10"
    assert page.locator("#playground-activation").input_value() == "tanh"
    assert not page.errors


def test_a_good_address_is_not_complained_about(open_page):
    page = open_page("#rate=0.3&batch=128&seed=5")
    assert page.get_by_role("alert").count() == 0
    assert page.get_by_role("button", name="Cold averages").get_attribute("aria-pressed") == "true"
    page.evaluate("location.hash = '#depth=7'")  # another link on the same page
    page.locator(".counter", has_text="seed 1").wait_for()
    assert page.locator("#playground-depth").get_attribute("aria-valuetext") == "7"


def test_it_trains_from_a_server_too(open_page, server):
    page = open_page(root=server)
    press(page, "Play")
    wait_for_steps(page, 10)
    assert not page.errors
    assert not page.foreign


def test_the_page_stays_responsive_while_twenty_layers_train(open_page):
    page = open_page()
    press(page, "Twenty layers")
    wait_for_steps(page, 2)
    times = page.evaluate(
        """() => new Promise((done) => {
            const times = [], begin = performance.now();
            const next = (now) => {
                times.push(now);
                now - begin < 2000 ? requestAnimationFrame(next) : done(times);
            };
            requestAnimationFrame(next);
        })"""
    )
    between = sorted(after - before for before, after in itertools.pairwise(times))
    print(f"frames: median {between[len(between) // 2]:.1f} ms, 95 % {between[int(0.95 * len(between))]:.1f} ms")
    assert between[len(between) // 2] < 20
    assert between[int(0.95 * len(between))] < 100
    assert steps(page) > 2


def test_a_run_that_plays_goes_on_playing_with_other_settings(open_page):
    page = open_page()
    press(page, "Play")
    wait_for_steps(page, 5)
    page.locator("#playground-width").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert "width=8&" in page.url
    wait_for_steps(page, 5)
    assert page.get_by_role("button", name="Pause").count() == 1
    assert not page.errors
