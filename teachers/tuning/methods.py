"""The methods of tuning by their names; nothing here imports torch or peft."""

from collections.abc import Mapping

from distill.teachers.tuning.adapter import Adapter
from distill.teachers.tuning.bitfit import BitFit
from distill.teachers.tuning.lora import Lora
from distill.teachers.tuning.prompt import Prompt
from distill.teachers.tuning.tuning import Tuning

TUNINGS: Mapping[str, type[Tuning]] = {"lora": Lora, "bitfit": BitFit, "adapter": Adapter, "prompt": Prompt}
