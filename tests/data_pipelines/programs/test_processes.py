import pytest

from data_pipelines.programs import processes


def square(number: int) -> int:
    if number < 0:
        raise ValueError(f"Received {number}.")
    return number * number


@pytest.mark.parametrize(
    "num_processes", [1, pytest.param(2, marks=pytest.mark.slow), None]
)
def test_results_are_in_the_order_of_the_tasks(num_processes):
    with processes.pool(num_processes, 4) as run:
        assert list(run("square", square, [3, 1, 2, 0])) == [9, 1, 4, 0]
        assert list(run("square", square, [])) == []


@pytest.mark.slow
@pytest.mark.parametrize("num_processes", [1, 2])
def test_an_error_reaches_the_caller(num_processes):
    with (
        pytest.raises(ValueError, match="Received -1"),
        processes.pool(num_processes, 2) as run,
    ):
        list(run("square", square, [1, -1]))


def test_no_bar_without_a_terminal(capfd):
    assert list(processes.show_progress("name", [1, 2], 2)) == [1, 2]
    assert capfd.readouterr().err == ""


def test_no_process():
    with (
        pytest.raises(ValueError, match=r"num_processes=0\. Expected numbers above 0"),
        processes.pool(0, 2),
    ):
        pass
