"""A folder as a web server has it, and what is wrong with an open page."""

import contextlib
import functools
import http.server
import threading


@contextlib.contextmanager
def serving(folder):
    """The address of a web server that has the folder, for as long as the `with` block lasts."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def is_complaint(message):
    """Whether a line of the console is one; the site has no icon, which a browser asks a server for."""
    return message.type in ("error", "warning") and not message.location["url"].endswith("/favicon.ico")


def problems(page, axe, within=".bd-article"):
    """What the accessibility checker finds in this part of the page: a list of texts."""
    page.evaluate(axe)
    found = page.evaluate(f"axe.run({within!r}, {{resultTypes: ['violations'], preload: false}})")["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]
