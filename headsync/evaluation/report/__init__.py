"""One evaluation as files: metrics.json and metrics.csv for programs, one HTML page for people."""

from headsync.evaluation.report.page import ReportFiles, write_report

__all__ = [
    "ReportFiles", "write_report",
]
