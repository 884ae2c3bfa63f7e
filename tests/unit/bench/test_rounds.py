"""The rounds of the measurements."""

from bench.rounds import interleaved, loop_ms, machine_speed, paired_ratio


def test_every_other_round_goes_backwards() -> None:
    assert list(interleaved(["a", "b", "c"], 3)) == [*"abc", *"cba", *"abc"]


def test_slow_round_does_not_change_the_ratio() -> None:
    service, peer = [100.0, 10.0, 100.0, 50.0], [200.0, 20.0, 200.0, 100.0]
    assert paired_ratio(service, peer) == 0.5


def test_ratio_is_of_the_same_rounds_and_not_of_the_medians() -> None:
    assert paired_ratio([1.0, 2.0, 9.0], [2.0, 4.0, 3.0]) == 0.5


def test_speed_of_the_machine_names_the_fastest_and_the_slowest_loop() -> None:
    sentence = machine_speed([20.0, 31.04, 22.0])
    assert "22.0 ms in the median, 20.0 ms at least and 31.0 ms at most" in sentence


def test_fixed_loop_takes_time() -> None:
    assert loop_ms() > 0
