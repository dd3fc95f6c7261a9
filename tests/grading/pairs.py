"""What `check` is given for some code."""

from helpers.grading.clinic_question import ClinicQuestion


def answer_with(question, code):
    """The code alone; for a question of the clinic, the pair of the code and the right cause."""
    return (code, question.right_cause) if isinstance(question, ClinicQuestion) else code
