"""The pipeline: stages in order, each from files to files, and the choices that a recipe leaves open."""
