"""Predicted times follow from counts: of launches, of the page's report, of a GPU's units."""

import pytest
from cnnkit_cupy.gpus import GPUS
from cnnkit_cupy.paper import Noted
from cnnkit_cupy.static import networks, page, times
from cnnkit_cupy.static.page import Reported

A100 = GPUS["A100"]
REPORT = """\
| kernel | shared | stack | spills | sm_80 | sm_90 |
| --- | --- | --- | --- | --- | --- |
| `conv2d<float, Large, vector>` | 19808 | 0 | 0 | 122, 2, 25%, 0.85 | 122, 2, 25%, 0.85 |
| `conv2d_tensor<__half, TensorLarge>` | 0 | 0 | 0 | 125, 2, 25%, 3.19 | – |
| `sgd<float>` | 4 | 8 | 0 | 40, 6, 75% | 40, 6, 75% |"""


class Everything(dict):
    """A report in which every kernel has the same main loop."""

    def get(self, name, default=None):
        return {gpu.arch: Reported(100, 2, 0, 0, per_product=4.0, multiply_adds=0.8) for gpu in GPUS.values()}


def test_a_report_is_read_back():
    found = page.reported(REPORT)
    assert found["conv2d<float, Large, vector>"][90] == Reported(122, 2, 0, 0, multiply_adds=0.85)
    assert found["conv2d_tensor<__half, TensorLarge>"] == {80: Reported(125, 2, 0, 0, per_product=3.19)}
    assert found["sgd<float>"][80] == Reported(40, 6, 8, 0)


@pytest.mark.parametrize(("before", "after", "message"), [
    ("122, 2, 25%, 0.85 | 122, 2", "122, 2, 25%, 0.83 | 122, 2",
     "Large, vector> for sm_80 has 0.83 multiply-adds among its main loop's instructions, and had"),
    ("25%, 3.19", "25%, 3.30", "3.30 instructions for each product, and had 3.19"),
    ("| 40, 6, 75% | 40, 6", "| 40, 5, 75% | 40, 6",
     "sgd<float> for sm_80 has 5 blocks on a multiprocessor, and had 6"),
    ("| 4 | 8 | 0", "| 4 | 16 | 0", "sgd<float> for sm_80 has 16 bytes of stack, and had 8"),
    ("| 4 | 8 | 0", "| 4 | 8 | 4", "sgd<float> for sm_80 has 4 bytes of spills, and had 0"),
    ("`sgd<float>`", "`adam<float>`", "adam<float> for sm_80 is not in the page's report"),
])
def test_what_is_worse_than_the_page_says_is_named(before, after, message):
    assert before in REPORT
    assert page.regressions(REPORT, REPORT) == []
    assert message in page.regressions(REPORT, REPORT.replace(before, after))[0]


def test_what_is_better_or_as_good_is_no_regression():
    better = REPORT.replace("3.19", "3.00").replace("0.85", "0.90").replace("122, 2", "100, 2").replace(
        "| 4 | 8 | 0", "| 4 | 0 | 0")
    assert page.regressions(REPORT, better) == []


def test_a_launch_that_only_moves_takes_its_bytes_over_the_rate():
    noted = Noted("batch_norm<float, 4>", 10**9, 10**9, (1, 1, 1), (256, 1, 1))
    assert times.launch_seconds(noted, A100, None) == pytest.approx(2e9 / A100.copy / 0.9 + 2e-6)


def test_a_product_takes_its_padded_multiply_adds():
    values = {"depth": 576}
    noted = Noted("conv2d<float, Large, vector>", 1, 1, (108 * 2, 1, 1), (256, 1, 1), 0, values)
    product = times.product_of(noted, page.reported(REPORT)[noted.name][80])
    assert product.macs == 128 * 128 * 576
    assert product.instructions == pytest.approx(product.macs / 32 / 0.85)
    assert times.launch_seconds(noted, A100, page.reported(REPORT)[noted.name][80]) > (
        2 * product.macs / A100.fp32 / A100.clock / 0.9)


def test_three_products_of_tf32_take_three_times_as_many():
    values = {"depth": 64}
    one, three = (times.product_of(Noted(f"conv2d_tensor<float, TensorSmall{end}>", 1, 1, (1, 1, 1),
                                         (64, 1, 1), 0, values), Reported(1, 1, 0, 0, per_product=5.0))
                  for end in ("", "3"))
    assert three.macs == 3 * one.macs


def test_a_kernel_of_which_the_report_says_nothing_is_an_error():
    noted = Noted("conv2d<float, Large, vector>", 1, 1, (1, 1, 1), (256, 1, 1), 0, {"depth": 16})
    with pytest.raises(ValueError, match="does not say what the main loop of conv2d<float, Large"):
        times.launch_seconds(noted, A100, None)


def test_a_faster_gpu_trains_more_images():
    steps = [times.predict(networks.NETWORKS["W2"], networks.PRECISIONS["float32"], GPUS[name], Everything())
             for name in ("A100", "H100")]
    assert steps[0].seconds > steps[1].seconds
    assert sum(steps[0].by_kernel.values()) == pytest.approx(steps[0].seconds)
    assert steps[0].launches == sum(1 for _ in times.training_step(
        times.Paper(A100), networks.NETWORKS["W2"].make(), (3, 32, 32), 64))
    assert 1 <= steps[0].moved / steps[0].compulsory < 1.5


def test_a_missed_target_is_said_and_a_slower_step_is_a_regression():
    def step(seconds):
        return times.Step("ResNet-50", "TF32", "A100", 10, 10, 5, seconds, times.Counter(conv=seconds))
    row, = times.rows([step(0.08)])
    assert row[-2:] == ["1,000, missed", "938-1,066"]
    assert next(times.rows([step(0.06)]))[-2] == "1,000, met"
    committed = times.report([step(0.08)])
    assert times.regressions(committed, [step(0.081)]) == []
    assert times.regressions(committed, [step(0.09)]) == [
        "ResNet-50 in TF32 on A100 would train at 711 images/s, and the page says 800"]
    assert "is not in the page's table" in times.regressions("", [step(0.08)])[0]
