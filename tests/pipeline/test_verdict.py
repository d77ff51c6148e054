"""A finished run whose bundle a baseline beats: exit status 1, the bundle is there, and a key accepts it."""

import shutil
from pathlib import Path

from distill.artifacts.report import read_report
from tests.support.command import run_cli


def test_a_bundle_below_the_baseline_ends_with_status_1_unless_it_is_accepted(runs: Path, tmp_path: Path) -> None:
    verdict = read_report(runs).verdict
    assert verdict is not None
    assert verdict.over_baseline.high < 0
    assert verdict.failures[0] == "the bundle is below TF-IDF on test rows"
    shutil.copytree(runs, tmp_path / "smoke")
    command = (str(runs / "recipe.toml"), "--runs", str(tmp_path))
    accepted = run_cli("run", *command)
    assert accepted.returncode == 0, accepted.stderr
    bundle = tmp_path / "smoke/bundle"
    said, report, made, then = accepted.stdout.splitlines()[-4:]
    assert said == f"verdict: {verdict.line}"
    assert report == f"report: {tmp_path / 'smoke/report.html'}"
    assert made == f"bundle: {bundle}"
    assert then == f'next: distill predict {bundle} "some text"'
    for verb in ("run", "report"):
        refused = run_cli(verb, *command, "--set", "export.allow_worse_than_baseline=false")
        assert refused.returncode == 1
        assert "bench: already done" in refused.stderr
        assert refused.stderr.splitlines()[-1].startswith(
            "error: verdict: the bundle is below TF-IDF on test rows; every"
        )
    assert (tmp_path / "smoke/bundle/manifest.json").is_file()
