"""Precisions of a graph's arithmetic, and the variants of a student that are exported in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

QAT_SUFFIX = "-qat"


class Precision(StrEnum):
    """Arithmetic of a graph. The order is that in which `precision = "auto"` prefers them where speed is equal."""

    INT8_STATIC = "int8-static"
    INT8_DYNAMIC = "int8-dynamic"
    INT8_WEIGHTS = "int8-weights"
    FP32 = "fp32"

    @property
    def is_int8(self) -> bool:
        """Return whether weights and tables are stored in int8 (tables in fewer bits where asked)."""
        return self is not Precision.FP32

    @property
    def multiplies_in_int8(self) -> bool:
        """Return whether matmuls are integer products, any of which can be left in fp32."""
        return self in (Precision.INT8_STATIC, Precision.INT8_DYNAMIC)

    @property
    def has_fixed_scales(self) -> bool:
        """Return whether activations have fixed scales, which are fitted on train texts."""
        return self is Precision.INT8_STATIC


@dataclass(frozen=True)
class Variant:
    """One exported form of a student: its precision, and whether the student was trained for that precision."""

    precision: Precision
    qat: bool = False

    @classmethod
    def parse(cls, name: str) -> Variant:
        """Return the variant of a name such as `int8-static` or `int8-static-qat`.

        Raises:
            ValueError: no precision has that name.
        """
        return cls(Precision(name.removesuffix(QAT_SUFFIX)), qat=name.endswith(QAT_SUFFIX))

    @property
    def name(self) -> str:
        """Name in recipes, reports and folders."""
        return f"{self.precision}{QAT_SUFFIX}" if self.qat else str(self.precision)

    @property
    def plain(self) -> Variant:
        """The same precision without training for it."""
        return replace(self, qat=False)


FP32 = Variant(Precision.FP32)


def exported(shippable: Iterable[Variant]) -> list[Variant]:
    """Return all variants to make: fp32, those that may ship, and the plain one beside each trained one."""
    variants = [FP32]
    for variant in shippable:
        variants += [variant.plain, variant]
    return list(dict.fromkeys(variants))


def qat_precisions(shippable: Iterable[Variant]) -> list[Precision]:
    """Return the precisions that a student is trained for, each once and in order."""
    return list(dict.fromkeys(variant.precision for variant in shippable if variant.qat))
