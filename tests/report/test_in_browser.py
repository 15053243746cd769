"""A report in headless Chromium: no message on its console, no request, and as wide as a phone."""

import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cnnkit import models, train
from cnnkit.data import datasets
from cnnkit.report import make_report

pytest.importorskip("jinja2")

CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--enable-logging=stderr", "--virtual-time-budget=4000", "--dump-dom")
OF_CHROMIUM = re.compile(r"(^|\.)(google|googleapis|gstatic)\.com(:\d+)?$")  # what it asks for itself
# a page that frames another one as wide as a phone, and then says how wide its content is
FRAME = """<!doctype html><iframe width=390 height=800 src="/page.html"></iframe><pre id=found></pre><script>
document.querySelector("iframe").onload = event => {
    found.textContent = event.target.contentDocument.scrollingElement.scrollWidth; };
</script>"""


class Proxy(ThreadingHTTPServer):
    """Has the pages, whatever their host, and notes each request that Chromium makes for them."""

    def __init__(self, pages):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.asked = pages, []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((page or "").encode())

    def do_CONNECT(self):
        self.server.asked.append(f"https://{self.path}")
        self.send_error(502)

    def log_message(self, *arguments):
        pass


def opened(html, folder):
    """What Chromium prints of the page, and what it asks for, through a proxy that sees every request."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    server = Proxy({"http://report.test/frame.html": FRAME, "http://report.test/page.html": html})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = subprocess.run(
            [chromium, *CHROMIUM, f"--proxy-server=127.0.0.1:{server.server_port}",
             f"--user-data-dir={folder}", "http://report.test/frame.html"],
            capture_output=True, text=True, check=True, timeout=120)
    finally:
        server.shutdown()
        server.server_close()
    hosts = [(address.split("/")[2], address) for address in server.asked]
    asked = [address for host, address in hosts if not OF_CHROMIUM.search(host)]
    return done, [address for address in asked if not address.endswith("/favicon.ico")]


def test_a_report_has_no_error_asks_for_nothing_and_fits_a_phone(tmp_path):
    model, digits = models.CommonCNN((1, 8, 8)), datasets.digits(train=False)
    history = train.fit(model, digits, epochs=1, batch_size=64, seed=0, progress=False)
    html = make_report(model, digits, history, most=60, title="digits").html
    done, asked = opened(html, tmp_path)
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    assert asked == ["http://report.test/frame.html", "http://report.test/page.html"]
    width = re.search(r'<pre id="found">(\d+)</pre>', done.stdout)
    assert width, done.stdout[-500:]
    assert int(width[1]) <= 390


def test_a_page_that_asks_for_something_or_fails_is_found(tmp_path):  # or the test above shows nothing
    page = '<!doctype html><img src="https://elsewhere.test/x.png"><script>console.error("bad")</script>'
    done, asked = opened(page, tmp_path)
    assert "https://elsewhere.test:443" in asked
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line]
