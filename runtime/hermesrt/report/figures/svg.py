"""What all our drawings share: colours, hatches, text. Needs no torch.

Colours and shapes are attributes, so that a picture stands alone; a page restyles them by class.
"""

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

from hermesrt.shown import shown

# Okabe and Ito's palette, which colour-blind readers tell apart, each with a hatch that shows on it
COLOURS = (
    ("#0072B2", "#FFFFFF"),
    ("#E69F00", "#000000"),
    ("#009E73", "#FFFFFF"),
    ("#CC79A7", "#000000"),
    ("#56B4E9", "#000000"),
    ("#D55E00", "#FFFFFF"),
    ("#F0E442", "#000000"),
)
_HATCHES = ("", "M-1 1L1-1M0 6L6 0M5 7L7 5", "M-1 5L1 7M0 0L6 6M5-1L7 1", "M0 3H6", "M3 0V6")
INK, MUTED, PAPER, RULE, PANEL = "#1B1F24", "#57606A", "#FFFFFF", "#D5D9DE", "#EEF0F2"
DIGITAL = "#8B949E"
_CLASSES = {INK: "ink", MUTED: "muted"}
FONT = "font-family=\"Helvetica, Arial, 'Liberation Sans', sans-serif\""
_EM = 0.56  # mean width of a character, for fitting

Point = tuple[float, float]


def document(title: str, size: Point, body: Iterable[str], *, layers: int = 0) -> str:
    """A picture that stands alone, on paper, with the hatches of so many layers."""
    width, height = map(n, size)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" {FONT} role="img">',
        f"<title>{xml_text(title)}</title>",
        *definitions(layers),
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def heading(title: str, subtitle: str, at: Point = (20, 30)) -> list[str]:
    """A title and a line below it."""
    x, y = at
    return [
        text(title, (x, y), size=19, weight=600),
        text(subtitle, (x, y + 21), size=14, fill=MUTED),
    ]


def definitions(layers: int) -> Iterator[str]:
    """The arrow head, the pattern of assumed values and the hatches of so many layers."""
    yield (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path class="head" d="M0 0.5L8 4L0 7.5z" fill="{INK}"/></marker>'
        '<pattern id="assumed" width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<path d="M-1 1L1-1M0 6L6 0M5 7L7 5" stroke="{MUTED}" stroke-width="1.4"/></pattern>'
    )
    for layer in range(len(COLOURS), min(layers, len(COLOURS) * len(_HATCHES))):
        colour, line = COLOURS[layer % len(COLOURS)]
        yield (
            f'<pattern id="hatch-{layer}" width="6" height="6" patternUnits="userSpaceOnUse">'
            f'<path d="M0 0H6V6H0z" fill="{colour}"/><path d="{_HATCHES[layer // len(COLOURS)]}" '
            f'fill="none" stroke="{line}" stroke-width="1.2" stroke-opacity="0.65"/></pattern>'
        )
    yield "</defs>"


def fill(layer: int) -> str:
    """A layer's colour, hatched from the eighth on."""
    layer %= len(COLOURS) * len(_HATCHES)
    return COLOURS[layer][0] if layer < len(COLOURS) else f"url(#hatch-{layer})"


def on_fill(layer: int) -> str:
    """The ink that is legible on a layer's colour."""
    return COLOURS[layer % len(COLOURS)][1]


def swatch(layer: int) -> str:
    """A sample of a layer's colour and hatch."""
    return f'<rect width="14" height="14" fill="{fill(layer)}"/>'


def swatch_svg(layer: int) -> str:
    """The same as a picture, for a page that defines the hatches."""
    return f'<svg class="swatch" width="14" height="14" aria-hidden="true">{swatch(layer)}</svg>'


def text(
    words: str,
    at: Point,
    *,
    size: float,
    fill: str = INK,
    weight: int = 400,
    anchor: str = "start",
    kind: str = "",
) -> str:
    """A line of text; its ink has a class of its own."""
    names = " ".join(filter(None, (_CLASSES.get(fill, ""), kind)))
    name = f'class="{names}" ' if names else ""
    return (
        f'<text {name}x="{n(at[0])}" y="{n(at[1])}" font-size="{n(size)}" fill="{fill}" '
        f'font-weight="{weight}" text-anchor="{anchor}">{xml_text(words)}</text>'
    )


def fitted(words: str, width: float, size: float) -> str:
    """The words, or their beginning and their end, within about that width."""
    return shortened(words, max(3, int(width / (_EM * size))))


def fitted_name(words: str, width: float, size: float) -> str:
    """The name of a layer or module, or its end, which tells it from others, within about that
    width."""
    return cut_name(words, max(3, int(width / (_EM * size))))


def cut_name(words: str, longest: int) -> str:
    """The name, or its end."""
    return words if len(words) <= longest else f"…{words[1 - longest :]}"


def shortened(words: str, longest: int) -> str:
    """The text, or its beginning and its end."""
    if len(words) <= longest:
        return words
    half = (longest - 1) // 2
    return f"{words[:half]}…{words[-half:]}"


def xml_text(words: str) -> str:
    """Text for XML content or a quoted attribute; what has no ink is an escape."""
    return escape(shown(words), {'"': "&quot;", "'": "&#39;"})


def n(number: float) -> str:
    """At most two decimals, and no more characters than it takes."""
    return f"{number:.2f}".rstrip("0").rstrip(".") or "0"
