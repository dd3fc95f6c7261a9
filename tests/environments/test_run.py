"""What the run in other environments complains of."""

from types import SimpleNamespace

import pytest
from nbformat import v4

from tests.environments import run

PICTURE = v4.new_output("display_data", {"image/png": "iVBO", "text/plain": "Image"})
PRINTED = v4.new_output("stream", name="stdout", text="97.7 %\n")
ERROR = v4.new_output("error", ename="TypeError", evalue="no argument alt", traceback=[])
NOISE = v4.new_output("stream", name="stderr", text="a warning")
BAR = v4.new_output("display_data", {run.WIDGET: {}, "text/plain": "HBox()"})
SLIDER = {"1": {"_model_name": "IntSliderModel"}}


def complaints(outputs, stored, tags=(), widgets=SLIDER):
    now, before = (
        v4.new_notebook(cells=[v4.new_code_cell("run()", outputs=cell, metadata={"tags": list(tags)})])
        for cell in (outputs, stored)
    )
    return "\n".join(run.complaints(now, before, SimpleNamespace(widget_state=widgets)))


@pytest.mark.parametrize("tags", [(), ("nbval-ignore-output",)])
def test_the_same_is_fine_with_or_without_a_live_progress_bar(tags):
    assert not complaints([BAR, PRINTED, PICTURE], [PRINTED, PICTURE], tags)


@pytest.mark.parametrize("tags", [(), ("nbval-ignore-output",)])
@pytest.mark.parametrize(
    ("outputs", "said"),
    [([ERROR, PICTURE], "no argument alt"), ([NOISE, PICTURE], "a warning"), ([], "shows 0 pictures")],
)
def test_an_error_that_did_not_stop_noise_and_a_missing_picture_are_found(outputs, said, tags):
    assert said in complaints(outputs, [PICTURE], tags)


def test_another_word_counts_where_it_is_compared():
    other = v4.new_output("stream", name="stdout", text="12.0 %\n")
    assert "-97.7 %" in complaints([other], [PRINTED])
    assert not complaints([other], [PRINTED], ["nbval-ignore-output"])


def test_an_output_widget_is_found():
    assert "Output widget" in complaints([PRINTED], [PRINTED], widgets={"1": {"_model_name": "OutputModel"}})
