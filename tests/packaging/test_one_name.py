"""The editable install, in a folder in which a user's own files are called as ours."""

import sys
from pathlib import Path

from tests.support.command import ROOT
from tests.support.own_names import check_beside_own_names


def test_a_users_files_of_the_same_names_change_nothing(tmp_path: Path) -> None:
    bundle = ROOT / "tests/golden/static-int8-static"
    check_beside_own_names(Path(sys.executable).parent, bundle, tmp_path, ("init", "check", "predict"))
