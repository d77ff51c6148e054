"""One installed name, `distill`: the other top-level folders are packages inside it."""

from setuptools import find_packages, setup

FOLDERS = ("corpora", "export", "students", "teachers")

setup(
    package_dir={f"distill.{folder}": folder for folder in FOLDERS},
    packages=[
        *find_packages(include=["distill", "distill.*"]),
        *(f"distill.{name}" for name in find_packages(include=[part for f in FOLDERS for part in (f, f"{f}.*")])),
    ],
)
