"""Sheets of images with labels."""

import numpy as np
import pytest
from drawzoo_analysis.sheet import Sheet


@pytest.mark.parametrize(
    "title", ["a", "local-dir:m/a-long-name-of-a-model: drawn", "W" * 70, "$x$"]
)
@pytest.mark.parametrize("notes", ["", "W" * 90, "where it looks"])
@pytest.mark.parametrize("channels, height, width", [(1, 28, 28), (3, 40, 64), (3, 90, 32)])
def test_nothing_is_cut_off(title, notes, channels, height, width):
    """Title, notes and labels are on the sheet, however narrow it is, and so are all images."""
    images = np.zeros((2, 1, channels, height, width))
    rows = ["1.png\n50647.8 nats", "b"]
    sheet = Sheet(images, rows=rows, columns=["input"], title=title, notes=notes, scale=1)
    whole = sheet.figure.bbox
    for text in (*sheet.figure.texts, *sheet.axes.texts):
        box = text.get_window_extent()
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1, text
        assert whole.y0 <= box.y0 and box.y1 <= whole.y1, text


@pytest.mark.parametrize("largest", [7.3e-5, 8.5e-4, 0.14, 2.3, 940.0, 54_321.0])
def test_numbers_below_a_chart_do_not_overlap(largest):
    images = np.zeros((3, 2, 1, 28, 28))
    sheet = Sheet(images, rows=["a", "b", "c"], columns=["", ""], title="t", right=404)
    axes = sheet.chart(1, 2, 380, "change")
    axes.barh([10, 40, 70], [largest, largest / 2, largest / 3])
    sheet.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axes.get_xticklabels() if text.get_text()]
    left, right = axes.get_window_extent().intervalx
    boxes = sorted((box.x0, box.x1) for box in boxes if left <= (box.x0 + box.x1) / 2 <= right)
    assert len(boxes) >= 2
    assert all(a[1] < b[0] for a, b in zip(boxes[:-1], boxes[1:], strict=True))
