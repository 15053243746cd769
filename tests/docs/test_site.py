"""The documentation site: every page is reachable, and what was built opens in a browser, also on a phone."""

from __future__ import annotations

import functools
import html
import http.server
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--enable-logging=stderr", "--virtual-time-budget=4000")
PAGES = ("index.html", "_pages/readme.html", "course/2-the-arithmetic-of-layers.html",
         "course/4-training.html",
         "howto.html", "reference/cnnkit.nn.html", "reference/generated/cnnkit.nn.Conv2d.html",
         "gallery/index.html", "guide.html", "gpu.html", "architecture.html")
CHATTER = "Got invalid theme mode: . Resetting to auto.", "[PST]: "  # what the theme says of its own settings
# puts a page into a frame as wide as a phone, and says how wide its content is, and which errors it meets
FRAME = """<!doctype html><iframe width=390 height=800 src="{page}"></iframe><pre id=found></pre><script>
const frame = document.querySelector("iframe");
frame.onload = () => {{ found.textContent = frame.contentDocument.scrollingElement.scrollWidth; }};
</script>"""


def test_every_page_is_in_a_list_of_contents():
    texts = [page.read_text(encoding="utf-8") for page in [*DOCS.glob("*.md"), *DOCS.glob("course/*.md")]]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    listed = {line.removesuffix(">").rpartition("<")[2] for line in lines}
    names = {page.stem for page in [*DOCS.glob("*.md"), *DOCS.glob("course/*.md")]} - {"index"}
    assert names <= listed, names - listed


@pytest.fixture(scope="module")
def site(request):
    folder = request.config.getoption("--site")
    if folder is None:
        pytest.skip("--site FOLDER names no built site (tox -e site)")
    return Path(folder)


def test_no_page_asks_the_network(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 500
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe)[^>]* src=\"https?:[^\"]*", text), page
        assert not re.findall(r"<link[^>]* href=\"https?:[^\"]*", text), page


def test_the_sequence_diagram_is_drawn(site):
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    block = re.search(r"```mermaid\n(.*?)```", text, re.DOTALL)[1]
    page = html.unescape((site / "architecture.html").read_text(encoding="utf-8"))
    assert "sequenceDiagram" not in page
    drawing = re.search(r'<div class="sequence"><svg.*?</svg>', page, re.DOTALL)[0]
    messages = re.findall(r">>\w+: (.+)", block)
    assert len(messages) > 10
    for words in [*messages, *re.findall(r"participant \w+ as (.+)", block)]:
        assert f">{words}</text>" in drawing


@pytest.mark.parametrize("text", ["flowchart LR\na --> b", "sequenceDiagram\na->>b: x\nloop twice"])
def test_a_diagram_that_cannot_be_drawn_ends_the_build(text, monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(DOCS)
    from site_extensions import mermaid
    from sphinx.errors import ExtensionError

    with pytest.raises(ExtensionError, match=r"'flowchart LR'|'loop twice'"):
        mermaid.drawn(text)


class Handler(http.server.SimpleHTTPRequestHandler):
    """The site's files, and a page that frames one of them."""

    def do_GET(self):
        name, _, page = self.path.partition("?")
        if name != "/frame":
            return super().do_GET()
        content = FRAME.format(page=html.escape(page)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address(site):
    handler = functools.partial(Handler, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_without_an_error_and_on_a_phone_without_scrolling_sideways(page, address, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    command = [chromium, *CHROMIUM, f"--user-data-dir={tmp_path}", "--dump-dom", f"{address}/frame?/{page}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    errors = [line for line in done.stderr.splitlines() if "CONSOLE" in line
              and not any(words in line for words in CHATTER)]
    assert errors == []
    found = re.search(r"<pre id=\"found\">(\d+)</pre>", done.stdout)
    assert found, done.stdout[-500:]
    assert int(found.group(1)) <= 390
