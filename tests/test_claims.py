"""The claims' rules give different verdicts for different evidence, and refuse evidence that is none."""

import json

import pytest

from helpers import claims
from helpers.claims import results
from helpers.data import load
from helpers.statistics import Interval


def interval(mean, unit, half_width=0.0, count=8):
    return Interval(mean, mean - half_width, mean + half_width, count, unit)


def evidence(name, **answers):
    """Made-up evidence that gives each measure the wanted answer: True, False or None (undecided)."""
    made = {}
    for key, measure in claims.CLAIMS[name].measures.items():
        inside = measure.above + 0.01 if measure.above > float("-inf") else measure.below - 1e-5
        bound = measure.below if measure.below < float("inf") else measure.above
        outside = bound + 0.01 if measure.below < float("inf") else bound - 0.01
        mean, half_width = {True: (inside, 0.0), False: (outside, 0.0), None: (bound, 0.005)}[answers.get(key, True)]
        made[key] = interval(mean, measure.unit, half_width)
    return made


@pytest.mark.parametrize("answer", [True, False, None])
@pytest.mark.parametrize("name", claims.CLAIMS)
def test_made_up_evidence_gives_the_answers_it_was_made_for(name, answer):
    measures = claims.CLAIMS[name].measures
    made = evidence(name, **dict.fromkeys(measures, answer))
    assert {key: measures[key].answer(made[key]) for key in measures} == dict.fromkeys(measures, answer)


S, C, N, X = claims.VERDICTS
ORDERS = ("order_relu", "order_tanh", "order_sigmoid")
NO_ORDER = dict.fromkeys(ORDERS, False)
CELLS = tuple(claims.CLAIMS["C5"].measures)


@pytest.mark.parametrize(
    ("name", "answers", "expected"),
    [
        ("C1", {}, X),
        ("C1", {"noisy_gain": False}, S),
        ("C1", {"noisy_gain": None}, C),
        ("C1", {"noisy_drift_ratio": None}, C),
        ("C1", {"drift_ratio": False}, N),
        ("C1", {"gain": None}, N),
        ("C1", {"plain_drift": False}, N),
        ("C2", {}, S),
        ("C2", {"gamma_beta_gain": None}, C),
        ("C2", {"gamma_beta_gain": False}, C),
        ("C2", {"formula_error": False}, N),
        ("C2", {"identity_error": False}, N),
        ("C3", {}, S),
        ("C3", {"order_sigmoid": None, "edge_after": False}, C),
        ("C3", {**NO_ORDER, "edge_after": None}, C),
        ("C3", {**NO_ORDER}, X),
        ("C3", {**NO_ORDER, "edge_before": False}, N),
        ("C3", {**NO_ORDER, "edge_before": None}, N),
        ("C4", {}, S),
        ("C4", {"shallow_gain": False}, C),
        ("C4", {"shallow_gain": None}, C),
        ("C4", {"faster_gain": False}, C),
        ("C4", {"faster_gain": None, "high_rate_share": False, "deep_share_plain": False}, N),
        ("C5", {}, S),
        ("C5", {CELLS[1]: False}, S),
        ("C5", {CELLS[1]: False, CELLS[2]: None}, C),
        ("C5", dict.fromkeys(CELLS[1:], False), C),
        ("C5", dict.fromkeys(CELLS, None), N),
        ("C6", {}, S),
        ("C6", {"noisy_removal_cost": False}, C),
        ("C6", {"variance_shift": None}, C),
        ("C6", {"clean_removal_cost": False}, N),
        ("C6", {"early_gain": False}, N),
        ("C6", {"noisy_label_gain": None}, N),
        ("C6", {"need_change": None}, N),
        ("C6", {"need_change": False}, N),
        ("C7", {}, S),
        ("C7", {"cold_gap": False}, C),
        ("C7", {"domain_gain": False, "cold_gap": None}, C),
        ("C7", {"neighbour_changes": False}, N),
        ("C7", {"batch_changes": False}, N),
        ("C7", {"warm_gap": False}, C),
        ("C7", {"warm_gap": None}, C),
        ("C7", {"settled_gap": False}, N),
        ("C7", {"settled_gap": None}, N),
        ("C8", {}, S),
        ("C8", {"large_batch_loss": False}, C),
        ("C8", {"large_recomputed_loss": None}, C),
        ("C8", {"layernorm_small_batch_loss": None}, C),
        ("C8", {"small_batch_loss": False}, N),
        ("C8", {"small_batch_loss": None}, N),
        ("C9", {}, S),
        ("C9", {"plain_with": False}, C),
        ("C9", {"plain_with": None}, C),
        ("C9", {"zero_branch": False}, C),
        ("C9", {"layer_norm": None}, C),
        ("C9", {"residual_with": None}, N),
        ("C9", {"residual_without": False}, N),
        ("C9", {"residual_without": None}, N),
    ],
)
def test_the_evidence_decides_the_verdict(name, answers, expected):
    card = claims.verdict(name, evidence(name, **answers))
    assert card.word == expected
    assert card.reason.strip().endswith(".")


def test_a_difference_beyond_zero_but_inside_the_margin_is_not_enough():
    measure = claims.Measure("a difference", "points", above=0.05)
    assert measure.answer(Interval(0.02, 0.01, 0.03, 8, "points")) is False
    assert measure.answer(Interval(0.05, 0.01, 0.09, 8, "points")) is None
    assert measure.answer(Interval(0.08, 0.06, 0.10, 8, "points")) is True


def test_no_difference_must_be_shown_from_both_sides():
    measure = claims.Measure("a difference", "points", above=-0.02, below=0.02)
    assert measure.answer(Interval(0.0, -0.01, 0.01, 8, "points")) is True
    assert measure.answer(Interval(0.0, -0.10, 0.10, 8, "points")) is None  # a wide interval shows nothing
    assert measure.answer(Interval(-0.05, -0.06, -0.03, 8, "points")) is False
    assert measure.needs == "above -2 points and below 2 points"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order_relu": None}, "order_relu is missing"),
        ({"order_relu": 0.01}, "must be an Interval.*received float: 0.01"),
        ({"order_relu": interval(0.01, "%")}, "must have the unit 'points', received '%'"),
        ({"order_relu": interval(0.01, "points", count=5)}, "at least 8 seeds; order_relu stands on 5"),
        ({"order_relu": interval(float("nan"), "points")}, "must be finite"),
        ({"order_gelu": interval(0.01, "points")}, "knows no measure 'order_gelu'; it needs order_relu"),
    ],
)
def test_wrong_evidence_is_refused_in_words(change, message):
    made = {**evidence("C3"), **change}
    with pytest.raises(ValueError, match=message):
        claims.verdict("C3", {key: value for key, value in made.items() if value is not None})


def test_an_unknown_claim_is_refused():
    with pytest.raises(ValueError, match=r"The claims are C1, C2.*received 'C10'"):
        claims.verdict("C10", {})


@pytest.mark.parametrize("name", claims.CLAIMS)
def test_only_the_html_card_holds_measured_numbers(name):
    made = evidence(name)
    first = next(iter(made))
    made[first] = Interval(0.98765, 0.98764, 0.98766, 8, made[first].unit)  # a number that stands nowhere else
    card = claims.verdict(name, made)
    assert str(made[first]) in card._repr_html_()
    other = claims.verdict(name, evidence(name, **{first: claims.CLAIMS[name].measures[first].answer(made[first])}))
    assert str(card) == repr(card) == str(other)
    assert card._repr_markdown_() == other._repr_markdown_()
    for text in (card._repr_html_(), card._repr_markdown_(), str(card)):
        assert card.claim.quotes[0] in text
        assert card.word in text.lower()


@pytest.fixture
def results_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.delenv("SEEDS_FROM", raising=False)
    monkeypatch.delenv("COURSE_DATA", raising=False)
    return tmp_path


def test_nothing_is_written_unless_asked_for(results_folder, monkeypatch):
    monkeypatch.delenv("COURSE_RECORD_RESULTS", raising=False)
    claims.record(claims.verdict("C3", evidence("C3")), load("digits"), networks="none")
    assert list(results_folder.iterdir()) == []
    with pytest.raises(ValueError, match="at least one setting"):
        claims.record(claims.verdict("C3", evidence("C3")), load("digits"))


@pytest.fixture
def folder(results_folder, monkeypatch):
    """Results of C3 and C8 on digits, and of C3 from other seeds, with another word."""
    monkeypatch.setenv("COURSE_RECORD_RESULTS", "1")
    digits = load("digits")
    claims.record(claims.verdict("C3", evidence("C3", **NO_ORDER)), digits, networks="made up", seeds=8)
    claims.record(claims.verdict("C8", evidence("C8", large_batch_loss=False)), digits, networks="made up")
    monkeypatch.setenv("SEEDS_FROM", "100")
    claims.record(claims.verdict("C3", evidence("C3")), load("digits"), networks="made up")
    monkeypatch.delenv("SEEDS_FROM")
    return results_folder


def test_what_was_recorded_comes_back(folder):
    first, again = claims.replications(folder)
    assert (first.name, first.title) == ("digits", "digits")
    assert (again.name, again.title) == ("digits_seeds_from_100", "digits, new seeds")
    assert list(first.verdicts) == ["C3", "C8"]
    assert first.verdicts["C3"] == claims.verdict("C3", evidence("C3", **NO_ORDER))
    content = json.loads((folder / "digits" / "C3.json").read_text())
    assert content["settings"] == {"networks": "made up", "seeds": 8}
    assert content["data"]["sha256 of the images"] == load("digits").sha256
    assert "Keras" in content["versions"]


def test_a_file_that_contradicts_the_rule_is_refused(folder):
    path = folder / "digits" / "C3.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "verdict": S}))
    with pytest.raises(ValueError, match=r"digits/C3.json does not say what the rule says; run 04_placement again"):
        claims.replications(folder)


def test_a_card_says_what_others_found(folder):
    here = claims.verdict("C3", evidence("C3", **NO_ORDER))  # on digits, as recorded; from other seeds another word
    assert list(here.elsewhere) == ["digits, new seeds"]
    for text in (str(here), here._repr_markdown_(), here._repr_html_()):
        assert f"With digits, new seeds: {S}. Before the activation is better" in text
    assert "elsewhere" not in str(claims.verdict("C8", evidence("C8")))


@pytest.mark.parametrize(("answers", "said", "unsaid"), [
    ({}, "With digits, new seeds, the verdict and its reason are the same.", "is another"),
    ({"some_loss": False}, "new seeds, the verdict is the same, but its reason is another: Before", "are the same"),
    (NO_ORDER, f"With digits, new seeds: {S}. Before", "the same"),
])  # fmt: skip
def test_a_card_compares_word_and_reason(folder, answers, said, unsaid):
    card = str(claims.verdict("C3", evidence("C3", **answers)))
    assert said in card
    assert unsaid not in card


def test_a_learners_own_rule_is_not_stopped_by_the_recorded_ones(folder):
    path = folder / "digits_seeds_from_100" / "C3.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "verdict": N}))
    assert claims.verdict("C3", evidence("C3")).elsewhere["digits, new seeds"].word == S


def test_files_of_a_rule_with_other_measures_stop_no_learner(folder):
    path = folder / "digits_seeds_from_100" / "C3.json"
    content = json.loads(path.read_text())
    del content["evidence"]["some_edge"]
    path.write_text(json.dumps(content))
    assert claims.verdict("C3", evidence("C3")).elsewhere == {}
    with pytest.raises(ValueError, match="some_edge is missing"):
        claims.replications(folder)


def test_the_table_names_every_claim_and_what_is_not_measured_yet(folder):
    table = claims.Table(folder, links="notebooks/").markdown
    head, _, *rows = table.split("\n\n")[0].splitlines()
    assert head == "| | The lesson says | digits | digits, new seeds |"
    assert [row.split("]")[0].strip("| [") for row in rows] == list(claims.CLAIMS)
    assert X in rows[2]
    assert S in rows[2]
    assert "(notebooks/04_placement.ipynb)" in rows[2]
    assert rows[0].count("not measured yet") == 2
    assert rows[7].count("not measured yet") == 1
    assert all(row.count("|") == 5 for row in rows)


def test_under_the_table_stand_the_reasons_and_where_they_differ(folder):
    reasons = claims.Table(folder).markdown.split("\n\n")[1].splitlines()
    assert len(reasons) == len(claims.CLAIMS)
    assert "in both directions" in reasons[2]
    assert "*digits, new seeds:* Before the activation is better" in reasons[2]
    assert "*digits" not in reasons[7]


def test_without_any_results_the_table_still_names_the_claims(tmp_path):
    assert claims.Table(tmp_path).markdown.count("not measured yet") == 2 * len(claims.CLAIMS)


def test_every_claim_stands_on_its_own():
    quoted = [quote for claim in claims.CLAIMS.values() for quote in claim.quotes]
    assert list(claims.CLAIMS) == [f"C{number}" for number in range(1, 10)]
    assert len(set(quoted)) == len(quoted)
    for claim in claims.CLAIMS.values():
        assert claim.supporting
        assert claim.opposing
        assert len(claim.rule) > 40


def test_the_readme_shows_the_recorded_verdicts_and_the_present_figure():
    from tools import readme

    text = readme.README.read_text(encoding="utf-8")
    assert text == readme.filled(text, readme.readme_parts()), "README.md is stale: run tools/readme.py"
    assert readme.figure()[0] == readme.PICTURE.read_bytes(), "the figure is stale: run tools/readme.py"


def test_the_page_on_verdicts_shows_how_often_they_are_luck():
    from tools import readme

    text = readme.VERDICTS.read_text(encoding="utf-8")
    assert text == readme.filled(text, {"luck": readme.luck()}), "docs/verdicts.md is stale: run tools/readme.py"


@pytest.mark.parametrize("text", ["# A README", "<!-- figure:start -->\n<!-- figure:end -->\n<!-- claims:end -->"])
def test_a_readme_without_its_markers_is_refused(text):
    from tools import readme

    with pytest.raises(ValueError, match=r"(figure|claims):start"):
        readme.filled(text, {"figure": "", "claims": ""})


def test_a_notebook_without_the_figure_is_refused(monkeypatch):
    from tools import readme

    monkeypatch.setattr(readme, "CELL", "plots.something_else(")
    with pytest.raises(ValueError, match=r"no cell that ends in plots\.something_else"):
        readme.figure()


def test_stale_text_between_the_markers_is_replaced(folder):
    from tools import readme

    block = "<!-- {0}:start -->\nstale\n<!-- {0}:end -->\n"
    text = "before\n" + block.format("figure") + "between\n" + block.format("claims") + "after\n"
    new = readme.filled(text, readme.readme_parts())
    assert "stale" not in new
    assert X in new
    assert "](docs/static/hidden_values.png)" in new
    assert new.startswith("before\n")
    assert "\nbetween\n" in new
    assert new.endswith("after\n")
    assert readme.filled(new, readme.readme_parts()) == new


BOUNDS = {
    "C1": ["above 0.1", "below 0.8", "above 5 points", "above 1.25", "above 5 points"],
    "C2": ["below 0.0001", "below 0.0001", "above 2 points"],
    "C3": ["above 5 points"] * 7,
    "C4": ["above 5 points", "above 50 %", "above 50 %", "below 50 %", "above 2 points"],
    "C5": ["above 2 points"] * 4,
    "C6": ["above 2 points", "above 2 points", "below -2 points", "below 2 points", "below 2 points", "below 5 points"],
    "C7": ["above 5 %", "below 0.1 %", "below 2 points", "below 2 points", "below 5 points", "below 5 points"],
    "C8": ["above 5 points", "below 2 points", "below 2 points", "below 2 points"],
    "C9": ["above 80 %", "below 50 %", "above 50 %", "below 50 %", "below 50 %"],
}


def test_the_bounds_are_fixed():
    assert {name: [one.needs for one in claim.measures.values()] for name, claim in claims.CLAIMS.items()} == BOUNDS


@pytest.mark.parametrize(("name", "answers", "said", "unsaid"), [
    ("C7", {"cold_gap": False}, "not early in training.", "new domain"),
    ("C7", {"domain_gain": False}, "not on a new domain.", "early in training"),
    ("C7", {"warm_gap": False}, "not while the weights still move fast.", "new domain"),
    ("C3", {"order_tanh": None}, "clearly better for ReLU and sigmoid only", "none of the three"),
    ("C3", {**NO_ORDER}, "clearly better for none of the three activations", "only"),
    ("C6", {"need_change": False}, "does not gain less beside", "does not clearly gain less"),
    ("C6", {"need_change": None}, "does not clearly gain less beside", "Alone"),
    ("C6", {"noisy_label_gain": None}, "Alone, Dropout is not clearly ahead", "not gain less"),
    ("C6", {"early_gain": False, "noisy_removal_cost": False}, "not clearly ahead of Dropout", "still gains"),
    ("C6", {"noisy_removal_cost": False}, "with clean labels. Batch Normalization is ahead early", "noisy ones"),
    ("C6", {"clean_removal_cost": False}, "Even with clean labels it could not", "can be left out"),
    ("C6", {"variance_shift": False}, "spoils its moving statistics", "still gains"),
    ("C8", {"large_batch_loss": False}, "only with recomputed statistics", "not the best"),
    ("C8", {"large_recomputed_loss": False}, "the largest batch is not the best", "LayerNorm"),
    ("C8", {"layernorm_small_batch_loss": False}, "LayerNorm too", "largest batch"),
    ("C9", {"plain_with": False}, "But without skip connections Batch Normalization is not enough.", "serve"),
    ("C9", {"zero_branch": False}, "a branch that starts at zero serves in its place", "Layer Normalization"),
    ("C9", {"zero_branch": False, "layer_norm": False}, "at zero and Layer Normalization serve in", "open"),
    ("C9", {"layer_norm": None}, "whether Layer Normalization would serve remains open", "in its place"),
    *(("C5", {**dict.fromkeys(CELLS, False), cell: True}, f"only with: {words}.", ";") for cell, words in zip(CELLS, (
        "little data, clean labels", "little data, noisy labels", "all data, clean labels", "all data, noisy labels",
    ), strict=True)),
])  # fmt: skip
def test_the_reason_names_what_decided(name, answers, said, unsaid):
    reason = claims.verdict(name, evidence(name, **answers)).reason
    assert said in reason
    assert unsaid not in reason
