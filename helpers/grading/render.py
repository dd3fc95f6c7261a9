"""Results as HTML, Markdown and plain text.

Feedback is plain text in which backticks mark code. Whatever came from a learner stands inside backticks
(`sandbox.quote`); everything is escaped here, so nothing of it is ever interpreted.
"""

import html as _html
import re

_CODE = re.compile(r"`([^`]*)`")
# Colours of the Okabe-Ito palette, for the edge alone: words and marks say the same without any colour.
_EDGE = {"correct": "#009E73", "not yet": "#D55E00", "not attempted": "#0072B2"}
_MARK = {"correct": "✔", "not yet": "✘", "not attempted": "○"}


def state(result):
    if not result.attempted:
        return "not attempted"
    return "correct" if result.passed else "not yet"


def _headline(result):
    words = {"correct": "Correct", "not yet": "Not yet", "not attempted": "Not attempted"}[state(result)]
    points = f"{result.score:g} of {result.max_score:g} points"
    return f"{_MARK[state(result)]} {words} · {result.title} · {points}"


def _advice(result):
    """The sentences under the headline."""
    if not result.attempted:
        return f'Fill in the cell above and run both cells. `hint("{result.question}")` gives you a first step.'
    return result.feedback


def _checklist(result):
    """(mark, word, name) of each case."""
    return [("✔", "passed", case.name) if case.passed else ("✘", "not yet", case.name) for case in result.cases]


def _others(result):
    """(name, feedback) of the cases that failed after the first, whose feedback stands on top already."""
    failed = [(case.name, case.feedback) for case in result.cases if not case.passed]
    return [(name, feedback) for name, feedback in failed[1:] if feedback != "the same again."]


def plain(result):
    """The feedback as plain text."""
    lines = [_headline(result)]
    if _advice(result):
        lines += ["", _advice(result)]
    if len(result.cases) > 1:
        lines += [""] + [f"  {mark} {word}: {text}" for mark, word, text in _checklist(result)]
    if result.passed and len(result.cases) == 1:
        lines += ["", result.cases[0].feedback]
    if result.notes:
        lines += [""] + [f"Note: {note}" for note in result.notes]
    return "\n".join(lines)


def markdown(result):
    """The feedback as Markdown."""
    lines = [f"**{_md(_headline(result))}**"]
    if _advice(result):
        lines += ["", _md(_advice(result))]
    if len(result.cases) > 1:
        lines += [""] + [f"- {mark} *{word}*: {_md(text)}" for mark, word, text in _checklist(result)]
    if result.passed and len(result.cases) == 1:
        lines += ["", _md(result.cases[0].feedback)]
    if result.notes:
        lines += [""] + [f"*Note:* {_md(note)}  " for note in result.notes]
    return "\n".join(lines)


def html(result):
    """The feedback as HTML, readable in light and dark themes."""
    body = [f'<p style="margin:0 0 .4em"><strong>{_tags(_headline(result))}</strong></p>']
    if _advice(result):
        body.append(_paragraphs(_advice(result)))
    if len(result.cases) > 1:
        rows = "".join(
            f'<li style="margin:.1em 0">{mark} <em>{word}</em>: {_tags(text)}</li>'
            for mark, word, text in _checklist(result)
        )
        body.append(f'<ul style="list-style:none;margin:.4em 0;padding:0">{rows}</ul>')
    if _others(result):
        rows = "".join(f"<li>{_tags(name)}: {_tags(feedback)}</li>" for name, feedback in _others(result))
        body.append(f"<details><summary>What came in the other cases</summary><ul>{rows}</ul></details>")
    if result.passed and len(result.cases) == 1:
        body.append(_paragraphs(result.cases[0].feedback))
    body += [_paragraphs(f"Note: {note}") for note in result.notes]
    edge = _EDGE[state(result)]
    return (
        f'<div role="group" aria-label="Feedback: {_html.escape(result.title)}" '
        f'style="border-left:.4em solid {edge};padding:.3em .8em;max-width:60em">{"".join(body)}</div>'
    )


def _md(text):
    """Escape what Markdown or HTML would interpret, outside code spans; inside them everything is literal."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_\[\]<>&$#|])", r"\\\1", part).replace("\n", "  \n")
        for part in parts
    )


def _tags(text):
    return _CODE.sub(r"<code>\1</code>", _html.escape(text)).replace("\n", "<br>")


def _paragraphs(text):
    return "".join(f'<p style="margin:.4em 0">{_tags(line)}</p>' for line in text.split("\n"))


def report_plain(report):
    """The report as a text that a learner can keep or hand in."""
    lines = ["Batch Normalization: my exercises", "=" * 33, "", f"Total: {report!r}", ""]
    for section, group in report.sections.items():
        lines.append(f"{section}: {_points(group)}")
        lines += [
            f"  {_MARK[line.state]} {line.state:<13}  {line.score:>4g} / {line.max_score:g}  {line.title}"
            for line in group
        ]
    lines += ["", _closing(report)]
    lines += [f"  - {line.notebook}, “{line.heading or line.section}” (for: {line.title})" for line in _again(report)]
    if report.saved:
        lines += ["", f"Saved as {report.saved}"]
    return "\n".join(lines)


def report_markdown(report):
    """The report as Markdown, with links to what to read again."""
    lines = [f"**Total: {report!r}**", "", "| section | exercise | points | state |", "|---|---|---|---|"]
    for section, group in report.sections.items():
        lines += [
            f"| {section} | {line.title} | {line.score:g} of {line.max_score:g} | {_MARK[line.state]} {line.state} |"
            for line in group
        ]
    lines += ["", _md(_closing(report)), ""]
    lines += [
        f"- [{line.notebook}: {line.heading or line.section}]({line.link}), for “{line.title}”"
        for line in _again(report)
    ]
    if report.saved:
        lines += ["", f"Saved as {_md(report.saved)}"]
    return "\n".join(lines)


def report_html(report):
    """The report as an HTML table, with links to what to read again."""
    cell = 'style="text-align:left;padding:.15em .8em .15em 0"'
    rows = []
    for section, group in report.sections.items():
        rows.append(f'<tr><th scope="rowgroup" colspan="3" {cell}>{_html.escape(section)}: {_points(group)}</th></tr>')
        rows += [
            f"<tr><td {cell}>{_html.escape(line.title)}</td><td {cell}>{line.score:g} of {line.max_score:g}</td>"
            f"<td {cell}>{_MARK[line.state]} {line.state}</td></tr>"
            for line in group
        ]
    again = "".join(
        f'<li><a href="{_html.escape(line.link)}">{line.notebook}: {_html.escape(line.heading or line.section)}</a>, '
        f"for “{_html.escape(line.title)}”</li>"
        for line in _again(report)
    )
    saved = f"<p>Saved as <code>{_html.escape(report.saved)}</code></p>" if report.saved else ""
    return (
        f"<div><p><strong>Total: {report!r}</strong></p><table><thead><tr>"
        f'<th scope="col" {cell}>exercise</th><th scope="col" {cell}>points</th><th scope="col" {cell}>state</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f"<p>{_tags(_closing(report))}</p><ul>{again}</ul>{saved}</div>"
    )


def _points(lines):
    return f"{round(sum(line.score for line in lines), 2):g} of {sum(line.max_score for line in lines):g} points"


def _again(report):
    return [line for line in report.lines if line.state == "not yet"]


def _closing(report):
    states = [line.state for line in report.lines]
    if all(state == "correct" for state in states):
        return "Everything is correct. Well done: you can build, train, fold and repair Batch Normalization."
    if "not yet" in states:
        return "Read these again, then give the exercise another try:"
    count = states.count("not attempted")
    return f"{count} exercises wait for you. Take them in any order." if count > 1 else "One exercise waits for you."
