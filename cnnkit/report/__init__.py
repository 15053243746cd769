"""A report on a network in one HTML file: how it learnt, what it is made of, what it sees and where it errs.

`make_report` needs Jinja2: ``pip install 'cnnkit[report]'``. The file has no script and asks for nothing on
the network; `cnnkit.plot.svg` draws its charts, Pillow its pictures.
"""

from cnnkit.report.making import make_report
from cnnkit.report.page import Report
from cnnkit.report.runs import Run

__all__ = ["Report", "Run", "make_report"]
