"""What is written for people to look at: a verification as a folder, a diagnosis as one page."""

from landau_vae.report.html_page import write_page
from landau_vae.report.results_folder import check_picture, make_folder, save_figure, write

__all__ = ["check_picture", "make_folder", "save_figure", "write", "write_page"]
