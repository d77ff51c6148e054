"""What the processes of a service have computed: its own seconds, its children's, and nobody else's."""

import os

from tests.benchmarks.serving_peers import all_stats, cpu_seconds


def stat(number: int, parent: int, ticks: int, name: str = "a (b) c") -> str:
    # user, system, and both of children that ended
    return f"{number} ({name}) S {parent} " + " ".join(["0"] * 9) + f" {ticks} 0 0 0 20 0"


def test_children_and_theirs_count_and_others_do_not() -> None:
    per_second = os.sysconf("SC_CLK_TCK")
    stats = [stat(10, 1, 1 * per_second), stat(11, 10, 2 * per_second), stat(12, 11, 4 * per_second)]
    stats.append(stat(13, 1, 8))
    assert cpu_seconds(stats, 10) == 7.0
    assert cpu_seconds(stats, 12) == 4.0


def test_this_process_has_computed_something() -> None:
    assert cpu_seconds(all_stats(), os.getpid()) > 0
