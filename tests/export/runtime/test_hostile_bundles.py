"""Every hostile bundle is refused by `load`, in one sentence that names the reason."""

from pathlib import Path

import pytest

import distill
from distill.export.runtime import DistillError
from tests.support.hostile_bundles import HOSTILE, PINNED, Hostile
from tests.support.tiny_bundle import make_tiny_bundle


@pytest.mark.parametrize("hostile", HOSTILE, ids=[hostile.name for hostile in HOSTILE])
@pytest.mark.timeout(300)
def test_a_hostile_bundle_is_refused_with_the_reason(
    hostile: Hostile, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    distill.load(bundle)
    hostile.make(bundle)
    with pytest.raises(DistillError) as caught:
        distill.load(bundle, manifest_sha256="0" * 64 if hostile.name == PINNED else None)
    message = str(caught.value)
    assert hostile.says in message
    assert message.isprintable()
    # a panic prints past every handler
    assert capfd.readouterr() == ("", "")


def test_the_names_differ() -> None:
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE) >= 50
