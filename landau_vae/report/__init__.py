"""What is written for people to look at: a verification as a folder, a diagnosis as one page."""

from landau_vae.report.folder import check_picture, make_folder, save_figure, write
from landau_vae.report.page import write_page

__all__ = ["check_picture", "make_folder", "save_figure", "write", "write_page"]
