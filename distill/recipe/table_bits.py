"""The number of bits in embedding tables, which the student's width and the precisions may not allow."""

from distill.export.int8.packing import packed_multiple
from distill.recipe.shipping import ExportRecipe


def check_table_bits(export: ExportRecipe, learned: object, width: int | None) -> None:
    """Check that a student's embedding tables can have the number of bits.

    Args:
        export: the number, and the precisions.
        learned: the number of bits that the student learns with, None where it learns with none of its own.
        width: numbers per row of its tables, None for any.

    Raises:
        ValueError: they cannot.
    """
    bits = export.table_bits
    if learned not in (None, bits):
        raise ValueError(
            f"student.table_bits is {learned}, but export.table_bits is {bits}. Set both to the same number."
        )
    if bits == 8:
        return
    aware = export.trained_as_int8
    if aware:
        raise ValueError(
            f"export.table_bits is {bits}, but {aware[0].name} trains tables of 8 bits. Set it to 8, or use "
            f"{aware[0].plain.name!r}."
        )
    if width is not None and width % packed_multiple(bits):
        raise ValueError(
            f"export.table_bits is {bits}, but rows of student.width = {width} numbers do not fill whole "
            f"bytes. Choose a multiple of {packed_multiple(bits)}, or set export.table_bits to 8."
        )
