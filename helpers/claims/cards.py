"""How a verdict looks: as text, as Markdown and as an HTML card."""

from html import escape

from helpers.claims.claim import VERDICTS
from helpers.statistics import widened

SYMBOLS = dict(zip(VERDICTS, "✔◐✘⇄", strict=True))  # beside the words: never colour alone
ANSWERS = {True: "✔ yes", False: "✘ no", None: "? undecided"}


def text(verdict):
    """The card as plain text, without numbers: it reads alike on every machine."""
    quotes = "\n".join(f"  “{quote}”" for quote in verdict.claim.quotes)
    return (
        f"{verdict.claim.name} · {verdict.claim.title}\nThe lesson says:\n{quotes}\n"
        f"Verdict: {verdict.word.upper()}\n{verdict.reason}\n"
        + "".join(f"{sentence}\n" for sentence in said_elsewhere(verdict))
        + f"Rule: {verdict.claim.rule}"
    )


def markdown(verdict):
    """The card as Markdown with the literature, without numbers."""
    claim = verdict.claim
    quotes = "\n>\n".join(f"> {quote}" for quote in claim.quotes)
    supporting, opposing = (
        "\n".join(f"- {sentence}" for sentence in sentences) for sentences in (claim.supporting, claim.opposing)
    )
    elsewhere = "".join(f"{sentence}\n\n" for sentence in said_elsewhere(verdict))
    return (
        f"**{claim.name} · {claim.title}**\n\n{quotes}\n\n**{symbol_and_word(verdict)}.** {verdict.reason}\n\n"
        f"{elsewhere}*Rule:* {claim.rule}\n\n*For:*\n{supporting}\n\n*Against:*\n{opposing}"
    )


def html(verdict):
    """The card as HTML, with every measure, its interval, what the rule needs and the answer."""
    claim = verdict.claim
    head = "".join(f'<th style="text-align: left">{name}</th>' for name in ("Measured", "95 % interval", "Needs", ""))
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align: left">{escape(cell)}</td>' for cell in row) + "</tr>"
        for row in _measured(verdict)
    )
    quotes = "<br>".join(f"“{escape(quote)}”" for quote in claim.quotes)
    elsewhere = "".join(f"<p>{escape(sentence)}</p>" for sentence in said_elsewhere(verdict))
    return (
        '<div style="border: 1px solid #888; border-left: 6px solid #0072B2; padding: 0.6em 1em; max-width: 860px">'
        f"<p><b>{claim.name} · {escape(claim.title)}</b></p><blockquote>{quotes}</blockquote>"
        f'<p style="font-size: 1.15em"><b>{symbol_and_word(verdict)}.</b> {escape(verdict.reason)}</p>'
        f"{elsewhere}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<p><b>Rule.</b> {escape(claim.rule)}</p>"
        f"<p><b>Literature for</b></p>{_html_list(claim.supporting)}"
        f"<p><b>Literature against</b></p>{_html_list(claim.opposing)}</div>"
    )


def symbol_and_word(verdict):
    """The verdict's word, capitalised, behind its symbol."""
    return f"{SYMBOLS[verdict.word]} {verdict.word.capitalize()}"


def said_elsewhere(verdict):
    """What the same notebook found on other data or from other seeds: one sentence for each, the like ones first."""
    alike, sentences = [], []
    for title, other in verdict.elsewhere.items():
        if (other.word, other.reason) == (verdict.word, verdict.reason):
            alike.append(title)
        elif other.word == verdict.word:
            sentences.append(f"With {title}, the verdict is the same, but its reason is another: {other.reason}")
        else:
            sentences.append(f"With {title}: {other.word}. {other.reason}")
    return [f"With {' and with '.join(alike)}, the verdict and its reason are the same."] * bool(alike) + sentences


def _measured(verdict):
    """A row for each measure: what it is, its interval, what the rule needs, and the answer."""
    for name, measure in verdict.claim.measures.items():
        interval = verdict.evidence[name]
        shown = f"{widened(interval, measure.tries)}" + (f", for {measure.tries} at once" if measure.tries > 1 else "")
        yield measure.definition, shown, measure.needs, ANSWERS[measure.answer(interval)]


def _html_list(sentences):
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"
