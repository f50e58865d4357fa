"""What a page holds of a lab: HTML with a still picture, data, and a script's place."""

import html
import json
from dataclasses import dataclass

from cae_keras.deploy.embed import base64_of
from cae_keras.figures.style import Figure


@dataclass(frozen=True)
class Html:
    """Something that a notebook shows as HTML."""

    text: str
    name: str

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.name


def script(data: dict) -> str:
    """Returns data as a script that does nothing, and that none of it ends early."""
    text = json.dumps(data).replace("<", "\\u003c")
    return f'<script type="application/json">{text}</script>'


def playable(lab: str, still: Figure, said: str, data: dict, below: str = "") -> Html:
    """Returns a figure that `lab.js` brings to life: a still picture, caption, data."""
    image = f"data:image/png;base64,{base64_of(still.png(dpi=80))}"
    text = (
        f'<figure class="cae-lab" data-lab="{lab}"><div class="cae-lab-static">'
        f'<img class="dark-light" alt="{html.escape(still.alt)}" src="{image}">'
        "<p>This is a still picture: with JavaScript, and on a page of the built "
        "book, it can be played with.</p></div><figcaption>"
        f"{html.escape(said)}</figcaption>{script(data)}{below}</figure>"
    )
    return Html(text, f"<lab: {lab}>")
