"""Markdown tables."""


def markdown(title, columns, rows, notes=()):
    """A table under a heading, with notes behind it."""
    lines = [f"## {title}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    lines += [""] + [f"{note}\n" for note in notes]
    return "\n".join(lines)


def ratio(result):
    """A ratio with its least and greatest."""
    return f"{digits(result['ratio'])} ({digits(result['least'])} to {digits(result['greatest'])})"


def digits(value):
    """A figure as it is shown: three digits or the whole number."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
