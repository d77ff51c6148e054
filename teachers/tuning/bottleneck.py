"""The module of a bottleneck adapter, which hangs on the linear map whose output it changes."""

from typing import Any

from torch import Tensor, nn

from distill.teachers.tuning.weights import widths_of

# the name of the module in its linear map, so that all other names of a body stay as they are
NAME = "bottleneck"

# standard deviation of fresh weights, as in the paper; what leads up again starts at zero
INITIAL_STD = 0.01


class Bottleneck(nn.Module):
    """A residual map ``(..., H) -> (..., H)`` through few numbers; fresh, it changes nothing."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, bottleneck), nn.Linear(bottleneck, width)
        nn.init.normal_(self.down.weight, std=INITIAL_STD)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the changed output of a sublayer: ``(..., H) -> (..., H)``."""
        changed: Tensor = hidden + self.up(nn.functional.gelu(self.down(hidden)))
        return changed


def add_bottleneck(linear: Any, size: int) -> None:
    """Hang a fresh adapter on a linear map, in place, where its weights are."""
    adapter = Bottleneck(widths_of(linear)[1], size)
    linear.add_module(NAME, adapter.to(linear.weight.device))
    linear.register_forward_hook(_through)


def _through(linear: Any, _inputs: Any, output: Tensor) -> Tensor:
    changed: Tensor = linear.bottleneck(output)
    return changed


def without_bottlenecks(body: Any) -> dict[str, Tensor] | None:
    """Return the weights of a body that are not an adapter's; None where there are no adapters."""
    state: dict[str, Tensor] = body.state_dict()
    plain = {name: tensor for name, tensor in state.items() if NAME not in name.split(".")}
    return plain if len(plain) < len(state) else None
