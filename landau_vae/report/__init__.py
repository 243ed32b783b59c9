"""Reports to look at: a verification as a folder of figures and numbers, a diagnosis as one HTML page."""

from landau_vae.report.html_page import write_page
from landau_vae.report.results_folder import check_picture, make_folder, save_figure, write

__all__ = ["check_picture", "make_folder", "save_figure", "write", "write_page"]
