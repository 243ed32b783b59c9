"""Reports to look at: a verification or a spectroscopy as a folder of figures and numbers; a diagnosis as a page."""

from landau_vae.report.html_page import write_page
from landau_vae.report.results_folder import check_picture, make_folder, save_figure, write, write_onsets

__all__ = ["check_picture", "make_folder", "save_figure", "write", "write_onsets", "write_page"]
