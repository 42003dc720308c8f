"""The Allure page of a test run: one HTML file, made by npm's `allure` 3, with its history."""

from edge_lab.report.page import make_page

__all__ = ["make_page"]
